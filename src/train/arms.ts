/** Arms of a comparison, each trained at its own best learning rate with the same search and the same seeds. */
import type { StudyContext } from "../report/index.ts";
import { DivergedError } from "./diverged.ts";
import type { Progress } from "./loop.ts";
import { pieceProgress } from "./piece-progress.ts";
import { searchRates } from "./search.ts";

/** Takes the progress of a training, as `LoopOptions` has it. */
export type OnProgress = (progress: Progress) => void;

export interface CompareArmsOptions<A, O> {
  /** What each arm is, by its name. */
  readonly arms: { readonly [name: string]: A };
  /** Learning rates that every arm tries. */
  readonly rates: readonly number[];
  /**
   * How well an arm does at a learning rate, on data held out for this choice, never on test data; more is better. A
   * training that diverges scores lowest. `onProgress` takes the progress of the training.
   */
  readonly score: (arm: A, rate: number, seed: number, onProgress: OnProgress) => Promise<number>;
  /** Trains an arm with one seed and measures it: plain data. */
  readonly measure: (arm: A, rate: number, seed: number, onProgress: OnProgress) => Promise<O>;
}

/** What came of one arm. */
export interface ComparedArm<O> {
  /** The learning rate with the best score. */
  readonly rate: number;
  /** One outcome for each seed of the study, in their order. */
  readonly outcomes: readonly O[];
}

/**
 * Chooses each arm's learning rate with the first seed, unless there is only one rate, then measures the arm with all
 * seeds. Every piece is remembered by the arm's name, and progress counts trained models and tells their losses by
 * the arm's name. A best rate at an end of a
 * list of several is noted in the report, for a better one may lie beyond it.
 */
export async function compareArms<A, O>(
  context: Pick<StudyContext, "seeds" | "overSeeds" | "remember" | "progress" | "note">,
  { arms, rates, score, measure }: CompareArmsOptions<A, O>,
): Promise<{ readonly [name: string]: ComparedArm<O> }> {
  // A single rate needs no search.
  const trials = rates.length === 1 ? 0 : rates.length;
  const models = trials + context.seeds.length;
  const names = Object.keys(arms);
  const compared: Record<string, ComparedArm<O>> = {};
  for (const [i, name] of names.entries()) {
    const arm = arms[name] as A;
    const begin = (done: number) => pieceProgress(context, { total: names.length * models, unit: "models", done });
    const beginTrial = begin(i * models);
    const tried = `${name}: best of ${rates.join(", ")} with seed ${context.seeds[0]}`;
    const search = () =>
      searchRates(rates, async (rate) => {
        const onProgress = beginTrial(name);
        return { rate: await scoreOf(() => score(arm, rate, context.seeds[0] as number, onProgress)) };
      });
    const best = rates.length === 1 ? { rate: rates[0] } : await context.remember(tried, search);
    const beginSeed = begin(i * models + trials);
    const rate = best.rate as number;
    const outcomes = await context.overSeeds((seed) => {
      const onProgress = beginSeed(name);
      return context.remember(`${name}: rate ${rate}, seed ${seed}`, () => measure(arm, rate, seed, onProgress));
    });
    compared[name] = { rate, outcomes };
  }
  const atEnd = rates.length < 2 ? [] : names.filter((name) => isEnd(rates, (compared[name] as ComparedArm<O>).rate));
  if (atEnd.length > 0) {
    context.note(
      `The best learning rate is the lowest or highest that was tried, so that a better one may lie beyond it, of: ${atEnd.join("; ")}.`,
    );
  }
  return compared;
}

const isEnd = (rates: readonly number[], rate: number): boolean =>
  rate === Math.min(...rates) || rate === Math.max(...rates);

async function scoreOf(score: () => Promise<number>): Promise<number> {
  try {
    return await score();
  } catch (error) {
    if (error instanceof DivergedError) return Number.NEGATIVE_INFINITY;
    throw error;
  }
}
