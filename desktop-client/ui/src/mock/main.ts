// Starts the app in a plain browser. The address may choose what the mock does: ?python=missing.
import { startApp } from "../app/app";
import { MockBridge } from "./mock_bridge";

const element = document.getElementById("app");
if (element) void startApp(element, new MockBridge(new URLSearchParams(location.search)));
