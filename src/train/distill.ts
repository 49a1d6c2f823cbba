/** Language models that learn to predict what another one predicts. */
import { add, mul, type Tree } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { AdamWState } from "./adamw.ts";
import { type FitResult, fit } from "./fit.ts";
import { inputsAndTargets, type LanguageModel, type LanguageTraining, languageOptimizer } from "./language.ts";
import type { LoopOptions } from "./loop.ts";
import { crossEntropy, klDivergence } from "./losses.ts";
import { progressAt } from "./steps.ts";
import { type TokenBatch, tokenBatches } from "./token-batches.ts";

export interface DistillLanguageOptions<P extends Tree, Q extends Tree>
  extends LanguageTraining,
    Pick<LoopOptions, "signal" | "onProgress" | "stepsPerRun" | "checkpoint"> {
  readonly teacher: { readonly model: LanguageModel<Q>; readonly params: Q };
  readonly student: { readonly model: LanguageModel<P>; readonly params: P };
  readonly data: TokenFile;
  /** Divides the logits of both; 1 by default. */
  readonly temperature?: number;
  /** Weight of the cross-entropy of the next token beside the divergence; 0 by default. */
  readonly task?: number;
}

/**
 * Trains a student on the divergence of its predictions from the teacher's, `KL(teacher‖student)` averaged over tokens,
 * by `languageOptimizer`. The teacher's weights do not change. Rejects and resumes as `fit` does.
 * Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531.
 */
export function distillLanguageModel<P extends Tree, Q extends Tree>(
  options: DistillLanguageOptions<P, Q>,
): Promise<FitResult<P, AdamWState>> {
  const { teacher, student, data, temperature = 1, task = 0, steps, batch, context, seed = 0 } = options;
  const { signal, onProgress, stepsPerRun, checkpoint } = options;
  return fit({
    params: student.params,
    data: tokenBatches(data, { batch, context, seed }),
    loss: (weights: P, { tokens }: TokenBatch, { key, step }) => {
      const [inputs, targets] = inputsAndTargets(tokens);
      const mode = { training: true, key, progress: progressAt(step, steps) };
      const logits = student.model.apply(weights, inputs, mode);
      const wanted = teacher.model.apply(teacher.params, inputs);
      const divergence = klDivergence(wanted, logits, { temperature });
      return task === 0 ? divergence : add(divergence, mul(crossEntropy(logits, targets), task));
    },
    optimizer: languageOptimizer(options),
    steps,
    seed,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
    ...(stepsPerRun === undefined ? {} : { stepsPerRun }),
    ...(checkpoint ? { checkpoint } : {}),
  });
}
