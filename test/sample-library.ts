/** Libraries for tests: papers whose studies are small and may behave badly, all with the same claims. */
import type { CatalogueEntry, Library } from "../src/papers/index.ts";
// Not of the index: processes that tests start by the hundred would load all that reports are made of.
import { exactly, spread } from "../src/report/claim.ts";
import { paper, type Study, type StudyContext } from "../src/report/study.ts";

export const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

const claims = {
  count: { what: "pieces", figure: 3, unit: "", direction: "equals", where: "counted" },
  mean: { what: "what the seeds give", figure: 1, unit: "%", direction: "atLeast", where: "our bound" },
} as const;

/** What a study does. */
export type Run = Study<typeof claims>["run"];

/** What happens in the course of a study. */
export interface InPieces {
  /** A piece is computed, not remembered; `done` is how many came before it. */
  begins(context: StudyContext, seed: number, done: number): void;
  /** All pieces are there. */
  ends?(context: StudyContext, values: readonly number[]): void;
}

/** Works on a piece for each seed, which takes `ms` milliseconds and gives 2 and a tenth of the seed. */
export const inPieces =
  (ms: number, { begins, ends }: InPieces): Run =>
  async (context) => {
    const values = await context.overSeeds((seed, done) =>
      context.remember(`seed ${seed}`, async () => {
        begins(context, seed, done);
        await pause(ms);
        return 2 + seed / 10;
      }),
    );
    ends?.(context, values);
    return { count: exactly(values.length), mean: spread(values, (value) => value) };
  };

/** The library of these papers, of which those run that `runs` has by their slug. */
export const sampleLibrary = (
  catalogue: readonly CatalogueEntry[],
  runs: Readonly<Record<string, Run>>,
  seeds: Study["seeds"],
): Library => ({
  catalogue,
  studies: Object.fromEntries(
    catalogue.flatMap(({ number, slug, title, year }) => {
      const run = runs[slug];
      if (!run) return [];
      const facts = { number, slug, title, year, source: "nowhere", abstract: `What ${slug} says.` };
      return [[slug, async () => paper({ ...facts, claims, seeds, run })]];
    }),
  ),
});
