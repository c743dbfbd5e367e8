import { defineConfig } from "vite";

// The viewer is one script and one style sheet. Python puts both into index.html.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "../../pytest_execgo/benchmark/reports",
    emptyOutDir: false,
    lib: { entry: "src/report.ts", formats: ["iife"], name: "execgo", fileName: () => "viewer.js", cssFileName: "viewer" },
  },
});
