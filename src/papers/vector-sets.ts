/** Sets of real vectors to reduce: some whose numbers stand in no order, some whose numbers follow one another. */
import { type Tensor, tensor } from "../array/index.ts";
import {
  type Availability,
  available,
  DEFAULT_CORPUS,
  loadCorpus,
  loadImages,
  loadTimeSeries,
  loadWordVectors,
  meanWordVectors,
  permutation,
  timeSeriesAvailable,
  wordVectorsAvailable,
} from "../data/index.ts";
import { corpusTokens, EMBEDDED_MODEL, loadPretrained, modelFolder } from "../models/index.ts";
import { recordActivations } from "../probe/index.ts";

/** Vectors as rows. */
export interface VectorSet {
  readonly width: number;
  readonly rows: Float32Array;
}

interface VectorSource {
  /** What the vectors are. */
  readonly about: string;
  /** Whether neighbouring numbers of a vector belong together, as those of times or places do. */
  readonly ordered: boolean;
  state(): Availability;
  /** At least `count` vectors, if there are so many. */
  load(count: number): Promise<VectorSet>;
}

const here = (): Availability => ({ ok: true });

/** Words that the means of paragraphs are taken over. */
const VOCABULARY = 50_000;
/** A paragraph of fewer known words is left out. */
const LEAST_WORDS = 20;
/** Hours of a profile, and from the start of one to that of the next. */
const [HOURS, STRIDE] = [96, 6] as const;
/** Pixels of a row of an image that must not be black. */
const LEAST_INK = 3;

async function hiddenStates(count: number): Promise<VectorSet> {
  const { model, params, tokenizer } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
  if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
  const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
  try {
    const { final } = await recordActivations(model, params, text.train, ["final"], { tokens: count });
    return { width: model.config.width, rows: final };
  } finally {
    text.close();
  }
}

async function paragraphs(count: number): Promise<VectorSet> {
  const { train, validation, test } = await loadCorpus(DEFAULT_CORPUS);
  const texts = [...train, ...validation, ...test].flatMap((document) => document.split("\n"));
  // In random order, so that a few are of all documents.
  const order = permutation(texts.length, 7, 0);
  const some = Array.from(order.subarray(0, 3 * count), (i) => texts[i] as string);
  const vectors = await loadWordVectors(VOCABULARY);
  return { width: vectors.width, rows: meanWordVectors(some, vectors, { least: LEAST_WORDS }).means };
}

/** Different rows of pixels from images that show something there. */
async function imageRows(count: number): Promise<VectorSet> {
  const { images, width } = await loadImages("mnist", { split: "train", limit: Math.ceil(count / 4) });
  const seen = new Set<string>();
  const rows: Uint8Array[] = [];
  for (let row = 0; row < images.length / width; row++) {
    const pixels = images.subarray(row * width, (row + 1) * width);
    const key = pixels.join();
    if (pixels.filter((v) => v > 0).length < LEAST_INK || seen.has(key)) continue;
    seen.add(key);
    rows.push(pixels);
  }
  // Rows of an image stand together; every part of the list is of many images.
  const order = permutation(rows.length, 7, 0);
  const result = new Float32Array(rows.length * width);
  order.forEach((from, to) => {
    result.set(rows[from] as Uint8Array, to * width);
  });
  return { width, rows: result };
}

/** Four days of each variable, less their mean. */
async function powerProfiles(): Promise<VectorSet> {
  const { times, variables, values } = await loadTimeSeries("etth1");
  const rows: Float32Array[] = [];
  for (let start = 0; start + HOURS <= times.length; start += STRIDE)
    for (let variable = 0; variable < variables.length; variable++) {
      const profile = Float64Array.from(
        { length: HOURS },
        (_, hour) => values[(start + hour) * variables.length + variable] as number,
      );
      const mean = profile.reduce((a, b) => a + b) / HOURS;
      const moved = Float32Array.from(profile, (v) => v - mean);
      if (moved.some((v) => v !== 0)) rows.push(moved);
    }
  const result = new Float32Array(rows.length * HOURS);
  rows.forEach((row, i) => {
    result.set(row, i * HOURS);
  });
  return { width: HOURS, rows: result };
}

/** The sets by name. */
export const vectorSources = {
  words: {
    about: "GloVe vectors of the most frequent words",
    ordered: false,
    state: wordVectorsAvailable,
    load: async (count) => {
      const { width, vectors } = await loadWordVectors(count);
      return { width, rows: vectors };
    },
  },
  paragraphs: {
    about: `means of GloVe vectors over paragraphs of the books and speeches with at least ${LEAST_WORDS} known words`,
    ordered: false,
    state: wordVectorsAvailable,
    load: paragraphs,
  },
  "hidden states": {
    about: `last hidden states of ${EMBEDDED_MODEL} for tokens of the books and speeches`,
    ordered: false,
    state: here,
    load: hiddenStates,
  },
  "image rows": {
    about: "different rows of pixels of MNIST's images that are not black",
    ordered: true,
    state: () => available("mnist", "train"),
    load: imageRows,
  },
  "power profiles": {
    about: `${HOURS} hours of a variable of ETTh1, loads and the oil temperature of a transformer, less their mean`,
    ordered: true,
    state: () => timeSeriesAvailable("etth1"),
    load: powerProfiles,
  },
} as const satisfies Record<string, VectorSource>;

/** `"words"`, `"paragraphs"`, … */
export type VectorSetName = keyof typeof vectorSources;

/** So many vectors to search, and others to search for, drawn by the seed; fewer where the set is small. */
export function drawVectors(
  { width, rows }: VectorSet,
  counts: { readonly vectors: number; readonly queries: number },
  seed: number,
): { readonly vectors: Tensor; readonly queries: Tensor } {
  const order = permutation(rows.length / width, seed, 0);
  const queries = Math.min(counts.queries, order.length >> 1);
  const pick = (from: number, to: number): Tensor => {
    const chosen = order.subarray(from, to);
    const data = new Float32Array(chosen.length * width);
    chosen.forEach((row, i) => {
      data.set(rows.subarray(row * width, (row + 1) * width), i * width);
    });
    return tensor(data, { shape: [chosen.length, width] });
  };
  return { queries: pick(0, queries), vectors: pick(queries, queries + counts.vectors) };
}
