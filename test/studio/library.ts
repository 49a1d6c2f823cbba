/** Papers of the studio's tests: small studies, some of which behave badly. */
import type { CatalogueEntry } from "../../src/papers/index.ts";
import { inPieces, type Run, sampleLibrary } from "../sample-library.ts";

/** Works on pieces of so many milliseconds, tells its losses, and draws. */
const pieces = (ms: number): Run =>
  inPieces(ms, {
    begins({ progress, seeds }, _, done) {
      const training = { step: done + 1, losses: { "a model": 2 ** -done } };
      progress({ stage: "piece", done, total: seeds.length, unit: "pieces", training });
    },
    ends({ figure, note }, values) {
      figure({ kind: "table", title: "Seeds", columns: ["value"], rows: values.map((value) => [value]) });
      figure({
        ...{ kind: "pictures", title: "A picture", width: 2, height: 1 },
        rows: [{ label: "grey", pictures: [Uint8Array.of(0, 255)] }],
      });
      note("A note of the study.");
    },
  });

const runs: Readonly<Record<string, Run>> = {
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

const catalogue: readonly CatalogueEntry[] = [...Object.keys(runs), "unwritten"].map((slug, i) => ({
  ...{ number: i + 1, slug, title: `On ${slug} experts`, name: `Name of ${slug}`, year: 2020 + i },
  ...(slug === "quick" ? { arxiv: "2401.00001" } : {}),
  summary: `A summary of ${slug} things, by Fourier.`,
  topics: i % 2 === 0 ? ["moe", "ffn"] : ["fourier"],
}));

export const library = sampleLibrary(catalogue, runs, { smoke: 3, small: 3, full: 3 });
