import { defineConfig } from "vite";

// The window of the desktop client. With --mode mock it runs in a plain browser, without Rust and Python.
export default defineConfig(({ mode }) => ({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  root: mode === "mock" ? "src/mock" : "src/app",
  base: "./",
  server: { port: 5174, strictPort: true },
  build: {
    target: "es2022",
    outDir: mode === "mock" ? "../../dist-mock" : "../../dist-app",
    emptyOutDir: true,
    // The content security policy allows no inline script, and the window loads few files from the disk.
    modulePreload: false,
  },
}));
