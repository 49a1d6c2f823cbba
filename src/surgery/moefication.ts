/** MoEfication: trained dense feed-forward layers cut into experts, with routers that know which ones a token needs. */
import {
  abs,
  add,
  cast,
  compile,
  div,
  evaluate,
  exp,
  greater,
  key,
  log1p,
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
  type Tensor,
  type Tree,
  take,
  takeAlong,
  tensor,
} from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderConfig, type DecoderParams, decoder, type Sublayer } from "../models/index.ts";
import {
  bestExperts,
  expertScores,
  initRouter,
  type MoefiedFfnParams,
  type RouterKind,
  type UnitGroups,
  type UnitRouterParams,
  unitSums,
} from "../nn/index.ts";
import { adamW, fit, indexBatches } from "../train/index.ts";
import { recordFfnInputs } from "./calibrate.ts";
import type { ConfiguredDecoder } from "./deepen.ts";
import { type BlockParams, cutIntoExperts, unitKeys } from "./experts.ts";
import { balancedKMeans, coactivationGroups, type Groups, meansOf, randomGroups } from "./groups.ts";

/** How hidden units are put into groups: by nearness of their keys, by being active together, or by chance. */
export const splitKinds = ["parameters", "coactivation", "random"] as const;
export type SplitKind = (typeof splitKinds)[number];

export interface MoefyOptions {
  /** Groups of each layer; a divisor of its hidden units. */
  readonly experts: number;
  /** Groups that each token uses. */
  readonly active: number;
  /** By parameters unless told otherwise, which the source found best. */
  readonly split?: SplitKind;
  /** A small network unless told otherwise. */
  readonly router?: Exclude<RouterKind, "linear">;
  /** Text whose tokens say what is active together and what routers learn. */
  readonly text: TokenFile;
  /** Tokens of it that are used; 16,384 by default. */
  readonly tokens?: number;
  /** Passes of a router over the recorded tokens; 10 by default. */
  readonly epochs?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly stage: string }) => void;
}

/** What came of one layer. */
export interface MoefiedLayer {
  readonly block: number;
  readonly name: string;
  /** Share of the hidden units that are active for a token, on average: what there is to gain. */
  readonly activeShare: number;
  /** What the chosen experts' units give, of what all give; on tokens that a router was chosen on but did not learn from. */
  readonly captured: number;
  /** The same with the best choice of experts there is. */
  readonly capturable: number;
}

export interface Moefied extends ConfiguredDecoder {
  readonly layers: readonly MoefiedLayer[];
}

/** Of ten recorded tokens, one is kept from the routers for the figures. */
const HELD_OUT = 10;

/**
 * Turns every dense ReLU feed-forward sublayer into one of experts: its hidden units in equal groups, of which a router
 * chooses some for each token. The units and all other parameters stay as they are: with all experts active, so does what
 * the model computes. Throws one sentence if there is no such sublayer, if one has another activation, or if its units
 * cannot be cut into so many groups.
 * Source: Zhang et al. 2022, arXiv:2110.01786.
 */
export async function moefy(model: Decoder, params: DecoderParams, options: MoefyOptions): Promise<Moefied> {
  const { experts, active, text, tokens = 16_384, signal, onProgress } = options;
  const places = denseSublayers(model.config.blocks, experts, active);
  onProgress?.({ done: 0, total: places.length, stage: "recording what the layers read" });
  const recorded = await recordFfnInputs(model, params, text, { tokens, ...(signal ? { signal } : {}) });
  const blocks: Record<string, { norm?: Tree; layer?: Tree }>[] = params.blocks.map((block) => ({ ...block }));
  const layers: MoefiedLayer[] = [];
  for (const [i, { block, name }] of places.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done: i, total: places.length, stage: `block ${block}, ${name}` });
    const own = blocks[block] as Record<string, { norm?: Tree; layer?: Tree }>;
    const rows = recorded.find((each) => each.block === block && each.name === name)?.rows as Float32Array;
    const { layer, figures } = await moefyLayer(own[name]?.layer as BlockParams, rows, model.config.width, options);
    own[name] = { ...own[name], layer };
    layers.push({ block, name, ...figures });
  }
  onProgress?.({ done: places.length, total: places.length, stage: "done" });
  return { config: moefiedConfig(model.config, options), params: { ...params, blocks }, layers };
}

/** Where dense feed-forward sublayers stand. */
function denseSublayers(blocks: DecoderConfig["blocks"], experts: number, active: number) {
  const places = blocks.flatMap((block, b) => {
    let seen = 0;
    return block.flatMap((sublayer) => {
      if (!("ffn" in sublayer)) return [];
      const name = ++seen === 1 ? "ffn" : `ffn${seen}`;
      if (sublayer.ffn.kind !== "dense") return [];
      if (sublayer.ffn.activation !== "relu")
        throw new Error(
          `moefy: blocks[${b}].${name} has the activation ${sublayer.ffn.activation}, whose units are never off; MoEfication needs ReLU`,
        );
      if (sublayer.shared !== undefined)
        throw new Error(`moefy: blocks[${b}].${name} shares its weights, which cannot be cut for each place apart`);
      if (sublayer.ffn.hidden % experts !== 0)
        throw new RangeError(
          `moefy: ${sublayer.ffn.hidden} hidden units cannot be cut into ${experts} equal experts; choose a divisor`,
        );
      return [{ block: b, name }];
    });
  });
  if (places.length === 0) throw new Error("moefy: the model has no feed-forward sublayer of kind dense");
  if (!(Number.isInteger(active) && active >= 1 && active <= experts))
    throw new RangeError(`moefy: active must be a whole number from 1 to the ${experts} experts, got ${active}`);
  return places;
}

/** The configuration of the converted model. */
const moefiedConfig = (config: DecoderConfig, { experts, active, router = "mlp" }: MoefyOptions): DecoderConfig => ({
  ...config,
  blocks: config.blocks.map((block) =>
    block.map((sublayer): Sublayer => {
      if (!("ffn" in sublayer) || sublayer.ffn.kind !== "dense") return sublayer;
      const { hidden, bias = true } = sublayer.ffn;
      return { ...sublayer, ffn: { kind: "moefied", hidden, experts, active, router, activation: "relu", bias } };
    }),
  ),
});

async function moefyLayer(dense: BlockParams, rows: Float32Array, width: number, options: MoefyOptions) {
  const { experts, active, split = "parameters", router = "mlp", seed = 0 } = options;
  const keys = unitKeys(dense);
  const inputs = tensor(rows, { shape: [rows.length / width, width] });
  const groups = await groupsOf(split, keys, dense, inputs, experts, seed);
  const stacked = await evaluate(cutIntoExperts(dense, groups));
  const centres = tensor(meansOf(keys, width, groups, experts), { shape: [experts, width] });
  const start = {
    ...(await evaluate(initRouter(router, key(seed), experts, width))),
    ...(router === "truth" ? {} : { centres }),
  };
  const learned = router === "mlp" ? await trainRouter(start, stacked, inputs, options) : start;
  const figures = await figuresOf(router, learned, stacked, inputs, active);
  const layer: MoefiedFfnParams = { ...stacked, router: learned };
  return { layer, figures };
}

async function groupsOf(
  split: SplitKind,
  keys: Float32Array,
  dense: BlockParams,
  inputs: Tensor,
  experts: number,
  seed: number,
): Promise<Groups> {
  const width = inputs.shape[1] as number;
  const hidden = keys.length / width;
  if (split === "random") return randomGroups(hidden, experts, seed);
  if (split === "parameters") return balancedKMeans(keys, width, experts, { seed }).groups;
  const together = await compile((x: Tensor, { up }: BlockParams) => {
    const product = matmul(x, up.weight);
    const isActive = cast(greater(up.bias ? add(product, up.bias) : product, 0), "float32");
    return matmul(isActive, isActive, { transposeA: true });
  })(inputs, dense);
  return coactivationGroups(together.data as Float32Array, experts);
}

/** Rows of a training batch, and the number of the first row that is held out. */
const ROUTER_BATCH = 512;
const trainRows = (inputs: Tensor): number => Math.floor(((inputs.shape[0] as number) * (HELD_OUT - 1)) / HELD_OUT);

/** The rows that routers do not learn from. */
const heldOutRows = async (inputs: Tensor): Promise<Tensor> => {
  const first = trainRows(inputs);
  const held = Int32Array.from({ length: (inputs.shape[0] as number) - first }, (_, i) => first + i);
  return evaluate(take(inputs, tensor(held)));
};

/** What the units of the `active` experts of highest score give, of what all give: sums and scores `[rows, experts]`. */
const capturedShare = (sums: Tensor, scores: Tensor, active: number): Tensor => {
  const chosen = takeAlong(sums, bestExperts(scores, active), { axis: -1 });
  return div(sum(chosen), maximum(sum(sums), 1e-12));
};

/** Share of the experts with which routers are compared after each epoch, as in the source's code. */
const SELECTION_SHARE = 0.2;

/**
 * Teaches a router what each expert gives, as a share of the most that any gives: binary cross-entropy, Adam. Of its
 * states after each epoch, and the one before, the best on the rows that are held out is kept: what lowers the loss can
 * still change the order of the experts for the worse.
 */
async function trainRouter(
  start: UnitRouterParams,
  groups: UnitGroups,
  inputs: Tensor,
  { experts, epochs = 10, seed = 0, signal }: MoefyOptions,
): Promise<UnitRouterParams> {
  const count = trainRows(inputs);
  const batch = Math.min(ROUTER_BATCH, count);
  const stepsPerEpoch = Math.max(1, Math.floor(count / batch));
  // The most that an expert gives for any token of the layer: one divisor for all batches, unlike in the official code.
  const targets = await compile((x: Tensor, own: UnitGroups) => {
    const sums = unitSums(own, x);
    return div(sums, maximum(max(sums), 1e-12));
  })(inputs, groups);
  const held = await heldOutRows(inputs);
  const selected = Math.max(1, Math.round(SELECTION_SHARE * experts));
  const capturedBy = compile((router: UnitRouterParams, x: Tensor, own: UnitGroups) =>
    capturedShare(unitSums(own, x), expertScores("mlp", router, own, x), selected),
  );
  const scoreOf = async (router: UnitRouterParams) => Number((await capturedBy(router, held, groups)).data[0]);
  let best = { router: start, captured: await scoreOf(start) };
  await fit({
    params: start,
    data: indexBatches({ count, batch, seeds: [seed] }),
    loss: (router: UnitRouterParams, { indices }) => {
      const rows = reshape(indices, [-1]);
      const scores = expertScores("mlp", router, groups, take(inputs, rows));
      const target = take(targets, rows);
      // max(s, 0) - s·t + log(1 + exp(-|s|)): cross-entropy with logits that never overflows.
      return mean(add(sub(relu(scores), mul(scores, target)), log1p(exp(neg(abs(scores))))));
    },
    optimizer: adamW({ learningRate: 0.01, weightDecay: 0 }),
    steps: epochs * stepsPerEpoch,
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

async function figuresOf(
  kind: RouterKind,
  router: UnitRouterParams,
  groups: UnitGroups,
  inputs: Tensor,
  active: number,
): Promise<Omit<MoefiedLayer, "block" | "name">> {
  const figures = await compile((x: Tensor, own: UnitGroups, route: UnitRouterParams) => {
    const sums = unitSums(own, x);
    const units = own.up.weight.shape[1] as number;
    const isActive = unitSums(own, x, (h) => cast(greater(h, 0), "float32"));
    return {
      activeShare: div(mean(isActive), units),
      captured: capturedShare(sums, expertScores(kind, route, own, x), active),
      capturable: capturedShare(sums, sums, active),
    };
  })(await heldOutRows(inputs), groups, router);
  const value = (x: Tensor): number => Number(x.data[0]);
  return {
    activeShare: value(figures.activeShare),
    captured: value(figures.captured),
    capturable: value(figures.capturable),
  };
}

/** The same model with another number of active experts: no parameter changes. */
export function withActiveExperts({ config, params }: ConfiguredDecoder, active: number): ConfiguredDecoder {
  const blocks = config.blocks.map((block) =>
    block.map(
      (sublayer): Sublayer =>
        "ffn" in sublayer && sublayer.ffn.kind === "moefied"
          ? { ...sublayer, ffn: { ...sublayer.ffn, active } }
          : sublayer,
    ),
  );
  // The decoder checks that there are so many experts.
  return { config: decoder({ ...config, blocks }).config, params };
}
