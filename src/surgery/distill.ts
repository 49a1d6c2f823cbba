/** Teaching of models whose blocks were cut into slices, by the models they were cut from. */
import { add, flatten, mean, mul, reshape, stack, stopGradient, sub, type Tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { activationsOf, type DecoderParams, decoder, observe } from "../models/index.ts";
import {
  type ActivationName,
  activations,
  expertScores,
  type MoefiedFfnParams,
  priorApproximateLoss,
  priorTargets,
} from "../nn/index.ts";
import { fit, inputsAndTargets, languageOptimizer, type Progress, tokenBatches, tokenLosses } from "../train/index.ts";
import type { BlockParams } from "./experts.ts";
import { type ConfiguredDecoder, ffnAt } from "./replace.ts";

/** What learns: routers alone, or routers and slices. */
export const learnerKinds = ["router", "all"] as const;
export type LearnerKind = (typeof learnerKinds)[number];

export interface DistillOptions {
  readonly text: TokenFile;
  readonly learn: LearnerKind;
  /** Weight of the cross-entropy of next tokens; 1 by default. */
  readonly task?: number;
  /** Weight of the prior-approximate loss, its mean over layers; 1 by default. */
  readonly prior?: number;
  readonly steps: number;
  /** Windows in a step; 8 by default. */
  readonly batch?: number;
  /** Tokens of a window; all that the model sees by default. */
  readonly context?: number;
  /** Highest learning rate; 1e-3 by default. */
  readonly rate?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Teaches a model that `factorFfns` made from `teacher`: routers to choose the slices that come nearest to their share
 * of the teacher's blocks, on what those blocks read in the teacher (the prior-approximate loss), and with `learn: "all"`
 * the slices to predict next tokens under these choices. Weights that are no part of a block stay as they are. Rejects
 * with the reason of the signal.
 * Source: Zhao et al. 2024, arXiv:2408.11855; AdamW with weight decay 1e-5, warm-up and cosine as in its official code.
 */
export async function distillFactored(
  teacher: ConfiguredDecoder,
  student: ConfiguredDecoder,
  options: DistillOptions,
): Promise<ConfiguredDecoder & { readonly losses: readonly number[] }> {
  const { text, learn, task = 1, prior = 1, steps, batch = 8, rate = 1e-3, seed = 0, signal, onProgress } = options;
  const model = decoder(student.config);
  const context = Math.min(options.context ?? model.config.context, text.length - 1);
  const { leaves, paths, rebuild } = flatten(student.params);
  const learns = (path: string): boolean =>
    path.includes(".router.") || (learn === "all" && /^(blocks\.\d+\.ffn\d*\.layer|shared\.)/.test(path));
  const learned = Object.fromEntries(leaves.flatMap((x, i) => (learns(paths[i] as string) ? [[String(i), x]] : [])));
  const complete = (own: typeof learned): DecoderParams => rebuild(leaves.map((x, i) => own[i] ?? x)) as DecoderParams;
  const result = await fit({
    params: learned,
    data: tokenBatches(text, { batch, context, seed }),
    loss: (own, { tokens }, { key: random }) => {
      const params = complete(own);
      const parts = [
        ...(task > 0 ? [mul(mean(tokenLosses(model, params, tokens, { training: true, key: random })), task)] : []),
        ...(prior > 0
          ? [mul(priorLoss(teacher, { config: student.config, params }, inputsAndTargets(tokens)[0]), prior)]
          : []),
      ];
      return parts.reduce((a, b) => add(a, b));
    },
    optimizer: languageOptimizer({ rate, steps, batch, weightDecay: 1e-5 }),
    steps,
    seed,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  signal?.throwIfAborted();
  return { config: student.config, params: complete(result.params), losses: result.history.loss };
}

/** Blocks of a student that were cut into slices, each with the block of the teacher that it was. */
export function cutBlocks(teacher: ConfiguredDecoder, student: ConfiguredDecoder) {
  return [...activationsOf(decoder(student.config)).keys()].flatMap((path) => {
    const [, prefix, block, name] = /^(blocks\.(\d+)\.(ffn\d*))\.input$/.exec(path) ?? [];
    const after = block && name ? ffnAt(student, Number(block), name) : null;
    if (after?.ffn.kind !== "moefied") return [];
    const place = { prefix: prefix as string, block: Number(block), name: name as string };
    const before = ffnAt(teacher, place.block, place.name);
    if (!before) throw new Error(`distillFactored: the teacher has no ${place.prefix}`);
    return [{ ...place, before: before.params as BlockParams, ffn: after.ffn, own: after.params as MoefiedFfnParams }];
  });
}

/** The prior-approximate loss, its mean over blocks, on what blocks read in the teacher. */
function priorLoss(teacher: ConfiguredDecoder, student: ConfiguredDecoder, tokens: Tensor): Tensor {
  const blocks = cutBlocks(teacher, student);
  if (blocks.length === 0) throw new Error("distillFactored: no block of the student was cut into slices");
  const names = blocks.flatMap(({ prefix }) => [`${prefix}.input`, `${prefix}.output`]);
  const seen = observe(decoder(teacher.config), teacher.params, tokens, names);
  const rowsOf = (name: string): Tensor => reshape(seen[name] as Tensor, [-1, teacher.config.width]);
  const losses = blocks.map(({ prefix, before, ffn, own }) => {
    const [rows, output] = [rowsOf(`${prefix}.input`), rowsOf(`${prefix}.output`)];
    const targets = priorTargets(
      stopGradient({ up: own.up, down: own.down }),
      rows,
      before.down.bias ? sub(output, before.down.bias) : output,
      { active: ffn.active, scale: ffn.scale ?? 1, activation: activations[ffn.activation as ActivationName] },
    );
    return priorApproximateLoss(expertScores("linear", own.router, own, rows), targets);
  });
  return mean(stack(losses));
}
