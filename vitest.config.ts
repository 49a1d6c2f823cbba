import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Tests of functions that leave nothing behind: their files share processes, each of which loads the library once. Not so
 * a test that looks at the memory of its process.
 */
const together = "test/{nn,probe,report,science,spectral,surgery,train}/**/!(memory).test.ts";

/** Files that take minutes, the longest first: begun last, one would keep one core busy and leave the others idle. */
const longest = [
  "papers/studies",
  "bench/engine/jobs",
  "array/runtime/webgpu",
  "studio-e2e/studio",
  "cli/command-line",
  "package",
  "browser/array",
].map((name) => at(`test/${name}.test.ts`));

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number => {
      const place = longest.indexOf(moduleId);
      // Files of one process come one after another: it ends where another file is between them.
      return project.name === "together" ? longest.length + 1 : place < 0 ? longest.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

const project = (name: string, test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration => ({
  // Programs that use the package by its name, as its users do, get the source.
  resolve: {
    alias: [
      { find: /^fourward$/, replacement: at("src/index.ts") },
      { find: /^fourward\/([\w-]+)$/, replacement: at("src/$1/index.ts") },
    ],
  },
  test: { name, testTimeout: 60_000, hookTimeout: 60_000, ...test },
});

export default defineConfig({
  test: {
    projects: [
      project("alone", { include: ["test/**/*.test.ts"], exclude: [together] }),
      project("together", { include: [together], isolate: false }),
    ],
    globalSetup: ["test/postgres.ts"],
    // Graphs run on all cores already; more processes would only take turns.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
});
