/** How well routers of slices choose: against what they were taught, and against the best choice there is. */
import {
  add,
  compile,
  div,
  expandDims,
  matmul,
  maximum,
  mean,
  min,
  mul,
  reshape,
  square,
  sub,
  sum,
  swapAxes,
  type Tensor,
  tensor,
} from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { decoder } from "../models/index.ts";
import {
  type ActivationName,
  activations,
  bestExperts,
  expertMask,
  expertOutputs,
  expertScores,
  type MoefiedFfnParams,
  priorTargets,
} from "../nn/index.ts";
import { recordFfnInputs } from "./calibrate.ts";
import { cutBlocks } from "./distill.ts";
import { type BlockParams, contiguousGroups, cutIntoExperts } from "./experts.ts";
import type { ConfiguredDecoder } from "./replace.ts";

/** What is known of the choices in one block. Errors are squared distances from the whole block, over its own square. */
export interface FactoredLayer {
  readonly block: number;
  /** Its name in the block: `ffn`, `ffn2`, … */
  readonly name: string;
  /** Share of the router's choices that are among the slices nearest to the block; by chance `active / experts`. */
  readonly agreement: number;
  /** Share of the tokens that use each slice. */
  readonly usage: readonly number[];
  readonly error: {
    readonly router: number;
    /** With the slices that are nearest one by one, which is what routers are taught. */
    readonly nearest: number;
    /** With the best combination; null where there are too many to try. */
    readonly best: number | null;
  };
}

/** Combinations that are tried. */
const MOST_COMBINATIONS = 1000;

/** All choices of `count` out of `experts`, as rows of zeros and ones; null if there are too many. */
function combinations(experts: number, count: number): number[][] | null {
  const rows: number[][] = [];
  const extend = (row: number[], left: number): boolean => {
    if (row.length === experts) return rows.push(row) <= MOST_COMBINATIONS;
    const rest = experts - row.length;
    if (left > 0 && !extend([...row, 1], left - 1)) return false;
    return left === rest || extend([...row, 0], left);
  };
  return extend([], count) ? rows : null;
}

/**
 * The choices of a model that was cut from `teacher`, on what the teacher's blocks read in windows spread evenly over a
 * text; `tokens` is how many, 1,024 by default. Blocks are those of the student, also where they have learned.
 */
export async function factorFigures(
  teacher: ConfiguredDecoder,
  student: ConfiguredDecoder,
  text: TokenFile,
  { tokens = 1024, signal }: { readonly tokens?: number; readonly signal?: AbortSignal } = {},
): Promise<readonly FactoredLayer[]> {
  const recorded = await recordFfnInputs(decoder(teacher.config), teacher.params, text, {
    tokens,
    ...(signal ? { signal } : {}),
  });
  const figures: FactoredLayer[] = [];
  for (const { block, name, before, ffn, own } of cutBlocks(teacher, student)) {
    signal?.throwIfAborted();
    const rows = recorded.find((each) => each.block === block && each.name === name)?.rows as Float32Array;
    const x = tensor(rows, { shape: [rows.length / teacher.config.width, teacher.config.width] });
    const { experts, active, scale = 1 } = ffn;
    const tried = combinations(experts, active);
    const options = { active, scale, activation: activations[ffn.activation as ActivationName] };
    // The block in one slice gives what it adds without its bias.
    const one = contiguousGroups(ffn.hidden, 1);
    const measure = compile((layer: MoefiedFfnParams, dense: BlockParams, input: Tensor) => {
      const target = reshape(expertOutputs(cutIntoExperts(dense, one), input, options.activation), input.shape);
      const outputs = expertOutputs(layer, input, options.activation);
      const errors = squaredErrors(outputs, target, scale);
      const errorOf = (mask: Tensor) => errors(reshape(mask, [-1, 1, experts]));
      const chosen = expertMask(bestExperts(expertScores("linear", layer.router, layer, input), active), experts);
      const nearest = priorTargets(layer, input, target, options);
      const size = maximum(sum(square(target)), 1e-12);
      return {
        agreement: div(mean(sum(mul(chosen, nearest), { axis: -1 })), active),
        usage: mean(chosen, { axis: 0 }),
        router: div(sum(errorOf(chosen)), size),
        nearest: div(sum(errorOf(nearest)), size),
        ...(tried ? { best: div(sum(min(errors(tensor(tried)), { axis: -1 })), size) } : {}),
      };
    });
    const found = await measure(own, before, x);
    const value = (t: Tensor): number => Number(t.data[0]);
    figures.push({
      block,
      name,
      agreement: value(found.agreement),
      usage: Array.from(found.usage.data, Number),
      error: {
        router: value(found.router),
        nearest: value(found.nearest),
        best: found.best ? value(found.best) : null,
      },
    });
  }
  return figures;
}

/**
 * Squared errors `|s·Σ_e m_e f_e - T|²` of choices m, by the inner products of what slices give: choices
 * `[choices, experts]`, or `[rows, choices, experts]` of each row's own, give `[rows, choices]`.
 */
function squaredErrors(outputs: Tensor, target: Tensor, scale: number): (choices: Tensor) => Tensor {
  const f = swapAxes(outputs, 0, 1);
  const products = matmul(f, f, { transposeB: true });
  const alongTarget = matmul(f, expandDims(target, -1));
  const ofTarget = sum(square(target), { axis: -1, keepDims: true });
  return (choices) => {
    const ofSums = sum(mul(matmul(choices, products), choices), { axis: -1 });
    const cross = reshape(matmul(choices, alongTarget), ofSums.shape);
    return add(sub(mul(ofSums, scale ** 2), mul(cross, 2 * scale)), ofTarget);
  };
}
