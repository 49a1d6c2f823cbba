import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Programs that use the package by its name, as its users do, get the source.
  resolve: {
    alias: [
      { find: /^fourward$/, replacement: at("src/index.ts") },
      { find: /^fourward\/([\w-]+)$/, replacement: at("src/$1/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/postgres.ts"],
    // Graphs run on all cores already; more processes would only take turns.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
