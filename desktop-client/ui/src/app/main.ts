// Starts the window of the desktop client.
import { startApp } from "./app";
import { TauriBridge } from "./tauri_bridge";

const element = document.getElementById("app");
if (element) void startApp(element, new TauriBridge());
