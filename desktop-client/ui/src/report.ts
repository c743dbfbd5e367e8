// Starts the viewer in a page that Python wrote.
import { mount } from "./mount";
import { PageSource } from "./source";

const element = document.getElementById("viewer");
if (element) void mount(element, new PageSource(document), {});
