import { defineConfig } from "vite";

// Everything is served by the hub under `default-src 'none'`: no inline script or style, no data: module, no preload polyfill.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    sourcemap: false,
    reportCompressedSize: true,
  },
  server: { port: 5173, strictPort: true, proxy: { "/api": "http://127.0.0.1:8900", "/session": "http://127.0.0.1:8900" } },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
