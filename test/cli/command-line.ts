/** The real command line over a library of its own, for tests to start as a process: small studies that behave badly. */
import { main } from "../../src/cli/program.ts";
import type { CatalogueEntry } from "../../src/papers/index.ts";
import { exactly } from "../../src/report/claim.ts";
import { SkippedError } from "../../src/report/study.ts";
import { inPieces, pause, type Run, sampleLibrary } from "../sample-library.ts";

/** Works on pieces of so many milliseconds, and says on standard error which it computes. */
const pieces = (ms: number): Run =>
  inPieces(ms, {
    begins({ progress, seeds }, seed, done) {
      process.stderr.write(`computing seed ${seed}\n`);
      progress({ stage: "piece", done, total: seeds.length, unit: "pieces" });
    },
  });

const runs: Readonly<Record<string, Run>> = {
  quick: pieces(0),
  slow: pieces(300),
  "without-data": async () => {
    throw new SkippedError("the data is not here; get it");
  },
  broken: async () => {
    throw new Error("matmul: inner sizes differ");
  },
  stuck: async () => {
    process.stderr.write("computing\n");
    await pause(60_000);
    return { count: exactly(3), mean: exactly(1) };
  },
  large: async (context) => {
    await context.artifact("large.bin", new Uint8Array(1 << 20));
    return { count: exactly(3), mean: exactly(1) };
  },
};

const catalogue: readonly CatalogueEntry[] = [...Object.keys(runs), "unwritten"].map((slug, i) => ({
  ...{ number: i + 1, slug, title: `On ${slug}`, name: slug, year: 2024 },
  ...{ summary: "A paper for tests.", topics: ["test"] },
}));

await main(process.argv.slice(2), sampleLibrary(catalogue, runs, { smoke: 1, small: 3, full: 3 }));
