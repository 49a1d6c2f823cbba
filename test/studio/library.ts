/** Papers of the studio's tests: small studies, some of which behave badly. */
import type { CatalogueEntry, Library } from "../../src/papers/index.ts";
import { exactly, paper, type Study, type StudyContext, spread } from "../../src/report/index.ts";

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

const claims = {
  count: { what: "pieces", figure: 3, unit: "", direction: "equals", where: "counted" },
  mean: { what: "what the seeds give", figure: 1, unit: "%", direction: "atLeast", where: "our bound" },
} as const;

/** Works on a piece for each seed, which takes a while. */
const pieces = (ms: number) => async (context: StudyContext) => {
  const values = await context.overSeeds((seed, done) =>
    context.remember(`seed ${seed}`, async () => {
      const training = { step: done + 1, losses: { "a model": 2 ** -done } };
      context.progress({ stage: "piece", done, total: context.seeds.length, unit: "pieces", training });
      await pause(ms);
      return 2 + seed / 10;
    }),
  );
  context.figure({ kind: "table", title: "Seeds", columns: ["value"], rows: values.map((value) => [value]) });
  context.figure({
    ...{ kind: "pictures", title: "A picture", width: 2, height: 1 },
    rows: [{ label: "grey", pictures: [Uint8Array.of(0, 255)] }],
  });
  context.note("A note of the study.");
  return { count: exactly(values.length), mean: spread(values, (value) => value) };
};

const behaviours: Readonly<Record<string, (context: StudyContext) => ReturnType<Study<typeof claims>["run"]>>> = {
  quick: pieces(1),
  slow: pieces(400),
  endless: async ({ signal }) => {
    await new Promise((_, fail) => signal.addEventListener("abort", () => fail(new Error("stopped"))));
    throw new Error("never");
  },
  deaf: () => new Promise(() => setInterval(() => {}, 1000)),
  failing: async () => {
    throw new Error("nothing can be measured here");
  },
  dying: async () => process.exit(7),
};

const catalogue: readonly CatalogueEntry[] = [...Object.keys(behaviours), "unwritten"].map((slug, i) => ({
  ...{ number: i + 1, slug, title: `On ${slug} experts`, name: `Name of ${slug}`, year: 2020 + i },
  ...(slug === "quick" ? { arxiv: "2401.00001" } : {}),
  summary: `A summary of ${slug} things, by Fourier.`,
  topics: i % 2 === 0 ? ["moe", "ffn"] : ["fourier"],
}));

export const library: Library = {
  catalogue,
  studies: Object.fromEntries(
    catalogue
      .filter(({ slug }) => slug in behaviours)
      .map(({ number, slug, title, year }) => [
        slug,
        async () =>
          paper({
            ...{ number, slug, title, year, source: "nowhere", abstract: `What ${slug} says.`, claims },
            seeds: { smoke: 3, small: 3, full: 3 },
            run: behaviours[slug] as Study<typeof claims>["run"],
          }) as unknown as Study,
      ]),
  ),
};
