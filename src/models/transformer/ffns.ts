/** The feed-forward layers that a block may hold, by name. */
import { z } from "zod";
import {
  activationNames,
  activations,
  deepFfn,
  ffn,
  gatedFfn,
  hourglassFfn,
  keyValueMemory,
  moefiedFfn,
  oneLayerFfn,
  routerKinds,
  splitFfn,
  structuredFfn,
  threeLayerFfn,
} from "../../nn/index.ts";
import { type ConfigOf, count, familySchema, kind } from "./family.ts";

const activation = z.enum(activationNames);
const dense = { hidden: count, activation: activation.default("gelu"), bias: z.boolean().default(true) };

/** Options of `structuredFfn`, which draws its factors in a way of its own; `guided`: share of training with guides. */
const structured = { ...dense, guided: z.number().gt(0).max(1).optional() };
type StructuredConfig = z.infer<z.ZodObject<typeof structured>>;
const structuredOf = ({ activation, guided, hidden, bias }: StructuredConfig, width: number) => ({
  ...{ width, hidden, bias, activation: activations[activation] },
  guided: guided === undefined ? undefined : { until: guided },
});

export const ffns = {
  /** `ffn`: two layers. */
  dense: kind(dense, ({ activation, ...options }, { width, init }) =>
    ffn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `threeLayerFfn`: a hidden layer more. */
  threeLayer: kind(dense, ({ activation, ...options }, { width, init }) =>
    threeLayerFfn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `deepFfn`: as many layers as wanted, at least 2. */
  deep: kind({ layers: z.int().min(2), ...dense }, ({ activation, ...options }, { width, init }) =>
    deepFfn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `oneLayerFfn`: one square layer and its activation. */
  oneLayer: kind({ activation: dense.activation, bias: dense.bias }, ({ activation, ...options }, { width, init }) =>
    oneLayerFfn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `gatedFfn`: SwiGLU by default. */
  gated: kind(
    { hidden: count, activation: activation.default("silu"), bias: z.boolean().default(false) },
    ({ activation, ...options }, { width, init }) =>
      gatedFfn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `hourglassFfn`: narrow networks in a row, each with a norm of its own. */
  hourglass: kind(
    {
      hidden: count,
      depth: count,
      gated: z.boolean().default(true),
      norm: z.enum(["rms", "layer"]).default("rms"),
      activation: activation.optional(),
      bias: z.boolean().default(false),
    },
    ({ activation, ...options }, { width, init }) =>
      hourglassFfn({ width, init, ...options, ...(activation ? { activation: activations[activation] } : {}) }),
    { hasNorm: true },
  ),
  /** `keyValueMemory`: ReLU or softmax over slots. */
  memory: kind(
    { slots: count, weights: z.enum(["relu", "softmax"]).default("relu"), normalized: z.boolean().default(false) },
    (options, { width, init }) => keyValueMemory({ width, init, ...options }),
  ),
  /** `moefiedFfn`: hidden units in groups, chosen by a router. */
  moefied: kind(
    {
      hidden: count,
      experts: count,
      active: count,
      router: z.enum(routerKinds),
      activation: activation.default("relu"),
      gated: z.boolean().default(false),
      bias: z.boolean().default(true),
      scale: z.number().positive().default(1),
      straightThrough: z.boolean().default(false),
    },
    ({ activation, ...options }, { width, init }) =>
      moefiedFfn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `splitFfn`: some hidden units whole, the others of low rank. */
  split: kind(
    {
      ...dense,
      kept: z.int().min(0),
      rank: count,
      gated: z.boolean().default(false),
    },
    ({ activation, ...options }, { width, init }) =>
      splitFfn({ width, init, ...options, activation: activations[activation] }),
  ),
  /** `structuredFfn` of low rank. */
  lowRank: kind({ ...structured, rank: count }, ({ rank, ...options }, { width }) =>
    structuredFfn({ ...structuredOf(options, width), form: "lowRank", rank }),
  ),
  /** `structuredFfn` of two block-diagonal factors with a shuffle between them. */
  blockShuffle: kind({ ...structured, blocks: count }, ({ blocks, ...options }, { width }) =>
    structuredFfn({ ...structuredOf(options, width), form: "blockShuffle", blocks }),
  ),
  /** `structuredFfn` of a block-diagonal factor and a dense one. */
  blockDense: kind({ ...structured, blocks: count, rank: count }, ({ blocks, rank, ...options }, { width }) =>
    structuredFfn({ ...structuredOf(options, width), form: "blockDense", blocks, rank }),
  ),
} as const;

/** A feed-forward layer and its options, e.g. `{ kind: "dense", hidden: 512, activation: "relu" }`. */
export type FfnConfig = ConfigOf<typeof ffns>;
export const ffnSchema = familySchema("FFN", ffns);
