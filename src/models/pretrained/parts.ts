/** What the architectures have in common: names of functions, and the places of ordinary weights. */
import { z } from "zod";
import type { ActivationName } from "../../nn/index.ts";
import { show } from "../safetensors-header.ts";
import type { FfnConfig } from "../transformer/ffns.ts";
import type { MixerConfig } from "../transformer/mixers.ts";
import type { Sublayer } from "../transformer/sublayers.ts";
import type { WeightPlace } from "./architecture.ts";

/** Activations by their names in configuration files. */
export const activationOf: { readonly [name: string]: ActivationName } = {
  relu: "relu",
  gelu: "gelu",
  gelu_python: "gelu",
  gelu_new: "geluTanh",
  gelu_fast: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  silu: "silu",
  swish: "silu",
  relu2: "squaredRelu",
  sigmoid: "sigmoid",
  tanh: "tanh",
  linear: "identity",
};
/** Numbers of layers: more than any model has would be taken for true before the weights are looked at. */
export const layers = z.int().min(0).max(10_000);

/** An activation by its name in a configuration file. */
export const activationSchema = z
  .string()
  .refine((name) => Object.hasOwn(activationOf, name), {
    error: ({ input }) =>
      `the activation ${show(input)} is not supported; known are ${Object.keys(activationOf).join(", ")}`,
  })
  .transform((name) => activationOf[name] as ActivationName);

/** The name of an activation in configuration files; undefined if it has none. */
export const activationField = (ours: ActivationName): string | undefined =>
  Object.keys(activationOf).find((name) => activationOf[name] === ours);

/** Attention and the feed-forward layer of a block that has one of each. */
export function usualParts(block: readonly Sublayer[] | undefined): {
  readonly attention: Extract<MixerConfig, { kind: "attention" }>;
  readonly ffn: FfnConfig;
} | null {
  const [a, b] = block ?? [];
  if (!a || !b || !("mixer" in a) || a.mixer.kind !== "attention" || !("ffn" in b)) return null;
  return { attention: a.mixer, ffn: b.ffn };
}

/** A norm with or without a bias. */
export const norm = (name: string, path: string, { bias }: { readonly bias: boolean }): WeightPlace[] => [
  { name: `${name}.weight`, paths: [`${path}.scale`] },
  ...(bias ? [{ name: `${name}.bias`, paths: [`${path}.bias`] }] : []),
];

/** A linear map as PyTorch's `Linear` keeps it. */
export const linear = (name: string, path: string, { bias }: { readonly bias: boolean }): WeightPlace[] => [
  { name: `${name}.weight`, paths: [`${path}.weight`], transposed: true },
  ...(bias ? [{ name: `${name}.bias`, paths: [`${path}.bias`] }] : []),
];

/** A head that is not the table of embeddings. */
export const ownHead = (name: string, { tied }: { readonly tied: boolean }): WeightPlace[] =>
  tied ? [] : [{ name, paths: ["head.weight"], transposed: true, outside: true }];
