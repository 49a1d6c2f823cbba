/** What the studies of language models share: text, size and budget, by scale. */
import { DEFAULT_CORPUS, loadCorpus } from "../data/index.ts";
import { type CorpusTokens, corpusTokens } from "../models/index.ts";
import type { Scale } from "../report/index.ts";
import type { LanguageBudget } from "./language-arms.ts";

/** The size of the ordinary model of a study, and what each arm gets. */
export interface LanguageSetting {
  /** Tokens of the byte-pair vocabulary. */
  readonly vocabulary: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly budget: LanguageBudget;
}

/**
 * Settings by scale. `small` fits about five arms with three seeds and their search of learning rates into ten minutes
 * on two cores: models of about 0.2 million parameters that see half a million tokens, a tenth of the text once.
 */
export const languageSettings: Readonly<Record<Scale, LanguageSetting>> = {
  smoke: {
    vocabulary: 300,
    width: 16,
    depth: 2,
    heads: 2,
    budget: { steps: 6, batch: 4, context: 16, rates: [4e-3], validation: 4, test: 8 },
  },
  small: {
    vocabulary: 512,
    width: 64,
    depth: 4,
    heads: 4,
    // Small batches and few steps want high rates: the best of short trials lay between 8e-3 and 16e-3.
    budget: { steps: 450, batch: 16, context: 64, rates: [6e-3, 12e-3, 24e-3], validation: 256, test: 1024 },
  },
  full: {
    vocabulary: 4096,
    width: 512,
    depth: 8,
    heads: 8,
    budget: {
      steps: 20_000,
      batch: 64,
      context: 256,
      rates: [5e-4, 1e-3, 2e-3],
      validation: 512,
      test: Number.POSITIVE_INFINITY,
    },
  },
};

/** The books and speeches as tokens of the vocabulary of a setting. Close the files when they are not needed any more. */
export const languageText = async ({ vocabulary }: Pick<LanguageSetting, "vocabulary">): Promise<CorpusTokens> =>
  corpusTokens(await loadCorpus(DEFAULT_CORPUS), { vocabulary });
