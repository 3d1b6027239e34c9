import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The page's content security policy allows no inline scripts and no data: styles, so every asset is a file of its own.
export default defineConfig({
  base: "./",
  plugins: [svelte()],
  // The fonts are those that pictures made by the program use.
  server: { fs: { allow: [".."] } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: {
    include: ["test/**/*.spec.ts"],
    environment: "node",
  },
});
