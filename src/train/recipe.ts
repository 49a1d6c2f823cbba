/** Training a language model from a recipe: corpus, tokenizer, model and schedule in plain data. */

import { z } from "zod";
import { existsSync, isDeepStrictEqual, join, mkdir, readFile, rm } from "#platform";
import { key } from "../array/index.ts";
import { checked } from "../data/checked.ts";
import { DEFAULT_CORPUS, fileError, loadCorpus, readTextFile, type TokenFile, writeFileAtomic } from "../data/index.ts";
import {
  type CorpusTokens,
  corpusTokens,
  decoder,
  decoderSchema,
  loadPretrained,
  savePretrained,
  type Tokenizer,
} from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { checkpointPath } from "./checkpoints.ts";
import { fitLanguageModel, type LanguageScore, scoreLanguageModel } from "./language.ts";
import type { Progress } from "./loop.ts";
import { evaluationWindows, tokenBatches } from "./token-batches.ts";

const count = z.int().min(1);

export const recipeSchema = z.strictObject({
  /** A corpus by name, or a text file or folder. */
  corpus: z.string().min(1).default(DEFAULT_CORPUS),
  /** The size of the vocabulary that is trained on the corpus, or the path of a `tokenizer.json`. */
  tokenizer: z.union([z.strictObject({ vocabulary: count }), z.string().min(1)]),
  model: decoderSchema.omit({ vocabulary: true }),
  training: z.strictObject({
    steps: count,
    /** Sequences in a step, each as long as the model's context. */
    batch: count,
    rate: z.number().positive(),
    warmup: z.number().min(0).max(1).default(0.05),
    weightDecay: z.number().min(0).default(0.1),
    clip: z.number().positive().default(1),
    seed: z.int().min(0).default(0),
    /** Steps between scores on validation text; the model with the best score is kept. */
    evaluateEvery: count.default(250),
    /** Ends training after so many scores in a row that are no better than the best. */
    patience: count.optional(),
  }),
  /** Type of the stored weights. */
  dtype: z.enum(["float32", "float16"]).default("float32"),
});

/** A recipe in plain data, as it stands in a configuration file. */
export type Recipe = z.input<typeof recipeSchema>;

/** What is known before the first step. */
export interface RecipeStart {
  readonly parameters: number;
  /** Tokens of the parts of the corpus. */
  readonly tokens: { readonly train: number; readonly validation: number; readonly test: number };
  readonly vocabulary: number;
  /** Steps done by an earlier run that this one goes on from. */
  readonly resumed: boolean;
}

export interface TrainRecipeOptions {
  /** Folder of the model; the run's state is kept in `training` below it. */
  readonly out: string;
  /** Begins anew even if the folder holds the state of an earlier run. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
  readonly onStart?: (start: RecipeStart) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly onScore?: (score: BestScore & { readonly isBest: boolean }) => void;
}

/** A score on validation text. */
export interface BestScore {
  readonly step: number;
  readonly loss: number;
  readonly perplexity: number;
}

export interface RecipeResult {
  /** Steps done. */
  readonly step: number;
  /** True if it was stopped from outside; the same call goes on from there. */
  readonly stopped: boolean;
  /** The best score on validation text; null if there was none yet. */
  readonly best: BestScore | null;
  /** Score of the best model on test text, once training has ended. */
  readonly test: LanguageScore | null;
}

/** Reads a recipe from a JSON file. Throws one sentence if it is missing or wrong. */
export async function readRecipe(path: string): Promise<Recipe> {
  const text = await readTextFile(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: it is not JSON (${(error as Error).message})`);
  }
  checked(recipeSchema, value, path);
  return value as Recipe;
}

/**
 * Trains the model of a recipe, or goes on where an earlier call in the same folder stopped: the result has the same
 * bits. Whenever the score on validation text is the best so far, the model is written to the folder in the Hugging
 * Face layout. Throws one sentence if the recipe is wrong, the corpus is too small for it, or the folder holds a run of
 * another recipe.
 */
export async function trainRecipe(given: Recipe, options: TrainRecipeOptions): Promise<RecipeResult> {
  const recipe = checked(recipeSchema, given, "recipe");
  const { out, signal, onStage, onStart, onProgress, onScore } = options;
  const state = join(out, "training");
  if (options.fresh) await rm(state, { recursive: true, force: true });
  const isClaimed = await holdsRunOf(state, recipe);
  onStage?.("reading the corpus");
  const corpus = await loadCorpus(recipe.corpus, signal ? { signal } : {});
  onStage?.("tokenizing");
  const text = await corpusTokens(corpus, {
    ...(typeof recipe.tokenizer === "string"
      ? { tokenizer: recipe.tokenizer }
      : { vocabulary: recipe.tokenizer.vocabulary }),
    ...(signal ? { signal } : {}),
  });
  try {
    return await trainOn(text);
  } finally {
    text.close();
  }

  async function trainOn({ tokenizer, train, validation, test }: CorpusTokens): Promise<RecipeResult> {
    const model = decoder({ vocabulary: tokenizer.vocabularySize, ...recipe.model } as Parameters<typeof decoder>[0]);
    const { context } = model.config;
    const { evaluateEvery, patience, ...training } = recipe.training;
    // A run that cannot begin leaves no folder behind: corpora that are too short say so here.
    tokenBatches(train, { batch: training.batch, context });
    for (const part of [validation, test]) evaluationWindows(part, context);
    if (!isClaimed) await claimFolder(state, recipe);
    onStart?.({
      parameters: parameterCount(model.init(key(0))),
      tokens: { train: train.length, validation: validation.length, test: test.length },
      vocabulary: tokenizer.vocabularySize,
      resumed: existsSync(checkpointPath(state)),
    });
    const bestFile = join(state, "best.json");
    let best: BestScore | null = existsSync(bestFile) ? JSON.parse(await readFile(bestFile, "utf8")) : null;
    const enough = new AbortController();
    const trained = await fitLanguageModel({
      ...training,
      model,
      context,
      data: train,
      checkpoint: { dir: state, every: evaluateEvery },
      metricsFile: join(state, "metrics.jsonl"),
      signal: signal ? AbortSignal.any([signal, enough.signal]) : enough.signal,
      ...(onProgress ? { onProgress } : {}),
      evaluate: {
        every: evaluateEvery,
        run: async (params, step) => {
          const { loss, perplexity } = await scoreLanguageModel(model, params, validation, { context });
          const score = { step, loss, perplexity };
          const isBest = best === null || loss < best.loss || step === best.step;
          if (isBest) {
            best = score;
            await savePretrained(
              out,
              { model, params, tokenizer },
              { dtype: recipe.dtype, fields: endOfText(tokenizer) },
            );
            await writeFileAtomic(bestFile, JSON.stringify(best));
          }
          onScore?.({ ...score, isBest });
          if (best && patience !== undefined && step - best.step >= patience * evaluateEvery) enough.abort();
          return { loss };
        },
      },
    });
    const stopped = trained.stopped && !enough.signal.aborted;
    return { step: trained.step, stopped, best, test: stopped ? null : await testScore(out, test) };
  }
}

/** The fields of `config.json` that say which token ends a text. */
const endOfText = ({ endOfText }: Tokenizer): { readonly [field: string]: number } =>
  endOfText === null ? {} : { bos_token_id: endOfText, eos_token_id: endOfText };

/** The score of the model as it is stored. */
async function testScore(folder: string, test: TokenFile): Promise<LanguageScore | null> {
  const { model, params } = await loadPretrained(folder);
  return scoreLanguageModel(model, params, test, { context: model.config.context });
}

const recipeFile = (folder: string): string => join(folder, "recipe.json");

/** Whether the folder holds a run of this recipe; throws one sentence if it holds one of another. */
async function holdsRunOf(folder: string, recipe: z.infer<typeof recipeSchema>): Promise<boolean> {
  const path = recipeFile(folder);
  if (!existsSync(path)) return false;
  // Through the schema, which gives options that are newer than the run their defaults.
  if (isDeepStrictEqual(checked(recipeSchema, JSON.parse(await readFile(path, "utf8")), path), recipe)) return true;
  throw new Error(`train: ${folder} holds a run of another recipe; choose another folder, or start anew with fresh`);
}

/** Writes the recipe into the folder of a run. */
async function claimFolder(folder: string, recipe: z.infer<typeof recipeSchema>): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });
  await writeFileAtomic(recipeFile(folder), `${JSON.stringify(recipe, null, 2)}\n`);
}
