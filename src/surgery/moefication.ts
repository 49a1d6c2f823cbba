/** MoEfication: trained dense feed-forward layers cut into experts, with routers that know which ones a token needs. */
import {
  add,
  cast,
  compile,
  div,
  evaluate,
  greater,
  key,
  matmul,
  mean,
  type Tensor,
  type Tree,
  tensor,
} from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderConfig, type DecoderParams, decoder, type Sublayer } from "../models/index.ts";
import {
  expertScores,
  initRouter,
  type MoefiedFfnParams,
  type RouterKind,
  type UnitGroups,
  type UnitRouterParams,
  unitSums,
} from "../nn/index.ts";
import type { StudyProgress } from "../report/index.ts";
import { type RecordedInputs, recordFfnInputs } from "./calibrate.ts";
import type { ConfiguredDecoder } from "./deepen.ts";
import { type BlockParams, cutIntoExperts, unitKeys } from "./experts.ts";
import { balancedKMeans, coactivationGroups, type Groups, meansOf, randomGroups } from "./groups.ts";
import { capturedShare, type ExpertMeasure, heldOutRows, type RouterLoss, teachRouter } from "./teach-router.ts";

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
  /** What `recordFfnInputs` gave for this model, which is recorded anew without it; `text` and `tokens` are not read then. */
  readonly recorded?: readonly RecordedInputs[];
  /** Passes of a router over the recorded tokens; 10 by default. */
  readonly epochs?: number;
  /** What a network is taught, see `routerLosses`; `shares` by default, while the source has `binary`. */
  readonly loss?: RouterLoss;
  /** What an expert is taken to give for a token, see `expertMeasures`; `contribution` by default, the source has `activation`. */
  readonly measure?: ExpertMeasure;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
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
  const recorded =
    options.recorded ?? (await recordFfnInputs(model, params, text, { tokens, ...(signal ? { signal } : {}) }));
  const blocks: Record<string, { norm?: Tree; layer?: Tree }>[] = params.blocks.map((block) => ({ ...block }));
  const layers: MoefiedLayer[] = [];
  for (const [i, { block, name }] of places.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done: i, total: places.length, stage: `block ${block}, ${name}` });
    const own = blocks[block] as Record<string, { norm?: Tree; layer?: Tree }>;
    const rows = recorded.find((each) => each.block === block && each.name === name)?.rows;
    if (!rows || rows.length === 0 || rows.length % model.config.width !== 0)
      throw new RangeError(
        `moefy: expected recorded to hold rows of ${model.config.width} numbers for blocks[${block}].${name}, as recordFfnInputs gives for this model`,
      );
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
  const { loss = "shares", measure = "contribution", epochs = 10, signal } = options;
  const teaching = { loss, measure, epochs, seed, ...(signal ? { signal } : {}) };
  const learned = router === "mlp" ? await teachRouter(start, stacked, inputs, teaching) : start;
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
