/** The real command line over a library of its own, for tests to start as a process: small studies that behave badly. */
import { main } from "../../src/cli/program.ts";
import type { CatalogueEntry, Library } from "../../src/papers/index.ts";
import { exactly, paper, SkippedError, type Study, type StudyContext, spread } from "../../src/report/index.ts";

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

const facts = (number: number, slug: string) => ({
  number,
  slug,
  title: `On ${slug}`,
  year: 2024,
  source: "nowhere",
  abstract: "A study for tests.",
  seeds: { smoke: 1, small: 3, full: 3 },
});

const claims = {
  count: { what: "pieces", figure: 3, unit: "", direction: "equals", where: "counted" },
  mean: { what: "what the seeds give", figure: 1, unit: "%", direction: "atLeast", where: "our bound" },
} as const;

/** Works on `pieces` pieces, each of which waits, and says on standard error which it computes. */
const pieces = (ms: number) => async (context: StudyContext) => {
  const values = await context.overSeeds((seed, done) =>
    context.remember(`seed ${seed}`, async () => {
      process.stderr.write(`computing seed ${seed}\n`);
      context.progress({ stage: "piece", done, total: context.seeds.length, unit: "pieces" });
      await pause(ms);
      return 2 + seed / 10;
    }),
  );
  return { count: exactly(values.length), mean: spread(values, (value) => value) };
};

const studies = {
  quick: paper({ ...facts(1, "quick"), claims, run: pieces(0) }),
  slow: paper({ ...facts(2, "slow"), claims, run: pieces(300) }),
  "without-data": paper({
    ...facts(3, "without-data"),
    claims,
    run: async () => {
      throw new SkippedError("the data is not here; get it");
    },
  }),
  broken: paper({
    ...facts(4, "broken"),
    claims,
    run: async () => {
      throw new Error("matmul: inner sizes differ");
    },
  }),
  stuck: paper({
    ...facts(5, "stuck"),
    claims,
    run: async () => {
      process.stderr.write("computing\n");
      await pause(60_000);
      return { count: exactly(3), mean: exactly(1) };
    },
  }),
  large: paper({
    ...facts(6, "large"),
    claims,
    run: async (context) => {
      await context.artifact("large.bin", new Uint8Array(1 << 20));
      return { count: exactly(3), mean: exactly(1) };
    },
  }),
};

const catalogue: readonly CatalogueEntry[] = [
  ...Object.values(studies).map(({ number, slug, title, year }) => ({ number, slug, title, year })),
  { number: 7, slug: "unwritten", title: "On the Unwritten", year: 2025 },
].map((entry) => ({ ...entry, name: entry.title.slice(3), summary: "A paper for tests.", topics: ["test"] }));

const library: Library = {
  catalogue,
  studies: Object.fromEntries(
    Object.entries(studies).map(([slug, study]) => [slug, async () => study as unknown as Study]),
  ),
};

await main(process.argv.slice(2), library);
