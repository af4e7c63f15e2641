import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [react()],
  build: {
    emptyOutDir: true,
    // What is loaded is allowed by the page's policy only as a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The first that know `light-dark()`: what takes its place for older ones does not see the theme that Mantine sets.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // React and Mantine; what is not in every page is in files of its own.
    chunkSizeWarningLimit: 700,
  },
  // `npm run web`: pages that are being worked on, before a daemon that runs.
  server: { host: "127.0.0.1", proxy: { "/api": "http://127.0.0.1:8420" } },
});
