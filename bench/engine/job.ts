/** What a job is: the same arithmetic in every system, from the same numbers. */
import type { ArraySpec, StoredArray } from "./inputs.ts";

/** The optimizer of all training jobs: AdamW, every parameter decays. */
export const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 } as const;

export type ModelName =
  | "mlp"
  | "classifier"
  | "cnn"
  | "gpt"
  | "fno"
  | "rfft"
  | "power"
  | "planePower"
  | "convolution"
  | "decode"
  | "conditional"
  | "list"
  | "firstResult"
  | "compile"
  | "products"
  | "passes";

/** Jobs at their size, or so small that a test can run them. */
export type Scale = "full" | "tiny";

export interface Job {
  readonly id: string;
  readonly title: string;
  /** What a step is, in words for a table. */
  readonly unit: "training step" | "call" | "product" | "pass" | "token" | "layer" | "start";
  readonly model: ModelName;
  readonly sizes: Readonly<Record<string, number>>;
  readonly arrays: readonly ArraySpec[];
  /** Steps that Fourward runs in one graph. */
  readonly stepsInGraph: number;
}

/** A job as peers get it: the numbers are in a file. */
export interface StoredJob extends Omit<Job, "arrays"> {
  readonly file: string;
  readonly arrays: readonly StoredArray[];
  readonly adam: typeof adam;
}

export const normal = (name: string, shape: readonly number[], std: number): ArraySpec => ({
  name,
  role: "parameter",
  shape,
  fill: { normal: std },
});
export const constant = (name: string, shape: readonly number[], value: number): ArraySpec => ({
  name,
  role: "parameter",
  shape,
  fill: { constant: value },
});
export const data = (name: string, shape: readonly number[], fill: ArraySpec["fill"]): ArraySpec => ({
  name,
  role: "data",
  shape,
  fill,
});
export const linear = (name: string, inputs: number, outputs: number, std = 1 / Math.sqrt(inputs)): ArraySpec[] => [
  normal(`${name}.weight`, [inputs, outputs], std),
  constant(`${name}.bias`, [outputs], 0),
];
