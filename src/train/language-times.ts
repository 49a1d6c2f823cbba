/** How long training takes a language model, beside others. */
import {
  compile,
  evaluate,
  key,
  mean,
  randomInteger,
  type Tensor,
  type Tree,
  valueAndGrad,
  zeros,
} from "../array/index.ts";
import { timeInTurn } from "../report/index.ts";
import { type LanguageModel, tokenLosses } from "./language.ts";

export interface GradientTimesOptions {
  /** Sequences in a batch, and tokens of a sequence that are predicted. */
  readonly batch: number;
  readonly context: number;
  /** Number of tokens that the models know. */
  readonly vocabulary: number;
  /** Calls of which the median is one figure, and how many figures; see `timeInTurn`. */
  readonly calls: number;
  readonly rounds?: number;
  readonly signal?: AbortSignal;
}

/**
 * Milliseconds that each model takes for the loss of one batch and its gradient, all models in turn on the same random
 * tokens. The update of the optimizer is not included; layers that change in the
 * course of training are as at its start.
 */
export async function gradientTimes<K extends string>(
  models: { readonly [P in K]: LanguageModel },
  { batch, context, vocabulary, ...timing }: GradientTimesOptions,
): Promise<{ readonly [P in K]: readonly number[] }> {
  const tokens = await evaluate(randomInteger(key(1), [batch, context + 1], { min: 0, max: vocabulary }));
  const start = { key: key(0), progress: zeros([]) };
  const calls: Record<string, () => unknown> = {};
  for (const [name, model] of Object.entries(models) as [K, LanguageModel][]) {
    const params = await evaluate(model.init(key(0)));
    const run = compile(
      valueAndGrad((weights: Tree, x: Tensor) => mean(tokenLosses(model, weights, x, { training: true, ...start }))),
    );
    calls[name] = () => run(params, tokens);
  }
  return timeInTurn(calls as { [P in K]: () => unknown }, timing);
}
