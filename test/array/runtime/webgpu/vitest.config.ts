/** The tests of the array language on the GPU of Node; `webgpu.test.ts` runs them where there is a driver. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const fewerCases = at("../../../browser/pages/fast-check.ts");

export default defineConfig({
  plugins: [
    {
      // As in pages: a quarter of the generated cases.
      name: "fewer-cases",
      enforce: "pre",
      resolveId: (id, importer) => (id === "fast-check" && importer !== fewerCases ? fewerCases : null),
    },
  ],
  test: {
    root: at("../../../.."),
    include: ["test/array/*.test.ts", "test/array/runtime/webgpu/resident.ts"],
    // Left out are those of traces in files and of the threads of the process, which are the CPU's.
    exclude: ["test/array/profile.test.ts", "test/array/sessions.test.ts"],
    setupFiles: [at("setup.ts")],
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
