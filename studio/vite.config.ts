/** Two builds of the studio's client: what browsers load, and what the server renders pages with. */
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Fonts and scripts stay files: the pages' policy lets nothing inline run, and both builds must name the same files. */
const assetsInlineLimit = 0;

export default defineConfig(({ isSsrBuild }) => ({
  root: at("."),
  plugins: [svelte()],
  publicDir: false,
  build: isSsrBuild
    ? {
        outDir: at("../dist/studio/server"),
        emptyOutDir: true,
        target: "node20",
        assetsInlineLimit,
        rolldownOptions: { input: at("src/entry-server.ts"), output: { entryFileNames: "entry.js" } },
      }
    : {
        outDir: at("../dist/studio/client"),
        emptyOutDir: true,
        manifest: "manifest.json",
        cssCodeSplit: false,
        assetsInlineLimit,
        target: "es2022",
        // Colours are pairs for light and dark, which browsers know since 2024.
        cssTarget: ["chrome123", "firefox120", "safari17.5"],
        rolldownOptions: { input: at("src/entry-client.ts") },
      },
  worker: { format: "es" },
  // Studies run on WebAssembly here; the build for WebGPU would add 27 MB to the package.
  resolve: { alias: { "onnxruntime-web/webgpu": "onnxruntime-web/wasm" } },
  // The package needs nothing of the client's dependencies at run time.
  ssr: { noExternal: true },
}));
