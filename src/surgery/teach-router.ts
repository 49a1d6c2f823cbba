/** Routers of experts cut from trained layers, taught which experts a row needs. */
import {
  abs,
  add,
  compile,
  div,
  evaluate,
  exp,
  log1p,
  logSoftmax,
  matmul,
  max,
  maximum,
  mean,
  mul,
  neg,
  relu,
  reshape,
  sub,
  sum,
  swapAxes,
  type Tensor,
  take,
  takeAlong,
  tensor,
} from "../array/index.ts";
import {
  bestExperts,
  expertScores,
  hiddenUnits,
  type UnitGroups,
  type UnitRouterParams,
  unitSums,
} from "../nn/index.ts";
import { adamW, cosine, fit, indexBatches } from "../train/index.ts";

/**
 * What routers are taught. `binary`, the source's: what each expert gives over the most that any gives for any row, by
 * binary cross-entropy. `shares`: what each expert gives over what all give for the row, by the cross-entropy of a softmax.
 *
 * Almost all targets of `binary` are near 0, and a router without biases must first bring all its scores far below 0. On a
 * few thousand rows that costs the order of the experts that it began with, and the order is all that counts. A softmax does
 * not mind what is added to all scores of a row: every step goes into the order.
 */
export const routerLosses = ["shares", "binary"] as const;
export type RouterLoss = (typeof routerLosses)[number];

/**
 * What an expert gives for a row. `activation`, the source's: the sum of its units. `contribution`: the squared length of
 * what it adds to the output of the layer.
 */
export const expertMeasures = ["contribution", "activation"] as const;
export type ExpertMeasure = (typeof expertMeasures)[number];

export interface TeachRouterOptions {
  readonly loss: RouterLoss;
  readonly measure: ExpertMeasure;
  /** Passes over the rows that are not held out. */
  readonly epochs: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** Of ten recorded rows, one is kept from the routers for choosing among their states, and for figures. */
const HELD_OUT = 10;
const learnedRows = (inputs: Tensor): number => Math.floor(((inputs.shape[0] as number) * (HELD_OUT - 1)) / HELD_OUT);

/** The rows of `[rows, width]` that routers do not learn from: the last tenth. */
export const heldOutRows = async (inputs: Tensor): Promise<Tensor> => {
  const first = learnedRows(inputs);
  const held = Int32Array.from({ length: (inputs.shape[0] as number) - first }, (_, i) => first + i);
  return evaluate(take(inputs, tensor(held)));
};

/** What the `active` experts of highest score give, of what all give: `given` and scores `[rows, experts]`; a number. */
export const capturedShare = (given: Tensor, scores: Tensor, active: number): Tensor => {
  const chosen = takeAlong(given, bestExperts(scores, active), { axis: -1 });
  return div(sum(chosen), maximum(sum(given), 1e-12));
};

/** What each expert gives for each row, see `expertMeasures`: `x: [rows, width]` gives `[rows, experts]`, never below 0. */
export function expertsGive(measure: ExpertMeasure, groups: UnitGroups, x: Tensor): Tensor {
  if (measure === "activation") return unitSums(groups, x);
  const { weight } = groups.down;
  // |D·h|² = h·(DᵀD·h): products of the units of an expert with each other, instead of all outputs of all experts.
  const products = matmul(weight, weight, { transposeA: true });
  const units = swapAxes(hiddenUnits(groups, x), 0, 1);
  return relu(swapAxes(sum(mul(matmul(units, products), units), { axis: -1 }), 0, 1));
}

/** Rows of a batch. */
const BATCH = 512;
/** Share of the experts with which states of a router are compared, as in the source's code. */
const SELECTION_SHARE = 0.2;
/** Rows whose targets are computed at once. */
const PIECE = 2048;

/**
 * How far scores lie apart when `shares` begins. Scores of similarity differ by tenths, of which a softmax makes nearly
 * equal shares; a factor does not change their order.
 */
const SHARPNESS = 10;

const losses: { readonly [L in RouterLoss]: (scores: Tensor, given: Tensor, most: Tensor) => Tensor } = {
  shares: (scores, given) => {
    const all = maximum(sum(given, { axis: -1, keepDims: true }), 1e-12);
    return neg(mean(sum(mul(div(given, all), logSoftmax(scores)), { axis: -1 })));
  },
  // max(s, 0) - s·t + log(1 + exp(-|s|)): cross-entropy with logits that never overflows.
  binary: (scores, given, most) =>
    mean(add(sub(relu(scores), mul(scores, div(given, most))), log1p(exp(neg(abs(scores)))))),
};

/**
 * Teaches a router of kind `mlp` what each expert gives for the rows `inputs: [rows, width]` (Adam; the rate stays for
 * `binary` as in the source, and falls by a cosine for `shares`). Of its states after each epoch, and the one before, the
 * best on the rows that are held out is kept: what lowers the loss can still change the order of the experts for the worse.
 * Rejects with the reason of the signal.
 * Source: Zhang et al. 2022, arXiv:2110.01786, section 3.3, and its official code; `shares` and `contribution` are ours.
 */
export async function teachRouter(
  start: UnitRouterParams,
  groups: UnitGroups,
  inputs: Tensor,
  { loss, measure, epochs, seed = 0, signal }: TeachRouterOptions,
): Promise<UnitRouterParams> {
  const count = learnedRows(inputs);
  const experts = groups.up.weight.shape[0] as number;
  const batch = Math.min(BATCH, count);
  const stepsPerEpoch = Math.max(1, Math.floor(count / batch));
  const steps = epochs * stepsPerEpoch;
  const given = await givenBy(measure, groups, inputs);
  // One divisor for all batches of the layer, unlike in the official code.
  const most = await evaluate(maximum(max(given), 1e-12));
  const held = await heldOutRows(inputs);
  const selected = Math.max(1, Math.round(SELECTION_SHARE * experts));
  const capturedBy = compile((router: UnitRouterParams, x: Tensor, own: UnitGroups) =>
    capturedShare(expertsGive(measure, own, x), expertScores("mlp", router, own, x), selected),
  );
  const scoreOf = async (router: UnitRouterParams) => Number((await capturedBy(router, held, groups)).data[0]);
  const sharp = loss === "shares" ? { ...start, mix: mul(start.mix as Tensor, SHARPNESS) } : start;
  const first = await evaluate(sharp);
  let best = { router: first, captured: await scoreOf(first) };
  await fit({
    params: first,
    data: indexBatches({ count, batch, seeds: [seed] }),
    loss: (router: UnitRouterParams, { indices }) => {
      const rows = reshape(indices, [-1]);
      const scores = expertScores("mlp", router, groups, take(inputs, rows));
      return losses[loss](scores, take(given, rows), most);
    },
    optimizer: adamW({
      learningRate: loss === "shares" ? cosine({ from: 0.01, steps }) : 0.01,
      weightDecay: 0,
    }),
    steps,
    evaluate: {
      every: stepsPerEpoch,
      run: async (router) => {
        const captured = await scoreOf(router);
        if (captured > best.captured) best = { router, captured };
        return { captured };
      },
    },
    seed,
    ...(signal ? { signal } : {}),
  });
  return best.router;
}

/** `expertsGive` for many rows, piece by piece, so that no more units than those of a piece are in memory. */
async function givenBy(measure: ExpertMeasure, groups: UnitGroups, inputs: Tensor): Promise<Tensor> {
  const [rows, width] = inputs.shape as [number, number];
  const experts = groups.up.weight.shape[0] as number;
  const result = new Float32Array(rows * experts);
  const run = compile((x: Tensor, own: UnitGroups) => expertsGive(measure, own, x));
  for (let from = 0; from < rows; from += PIECE) {
    const size = Math.min(PIECE, rows - from);
    const x = tensor((inputs.data as Float32Array).subarray(from * width, (from + size) * width), {
      shape: [size, width],
    });
    result.set((await run(x, groups)).data as Float32Array, from * experts);
  }
  return tensor(result, { shape: [rows, experts] });
}
