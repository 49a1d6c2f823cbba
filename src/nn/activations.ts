/** Elementwise functions by the names that configurations use. */
import { gelu, relu, sigmoid, silu, square, type Tensor, tanh } from "../array/index.ts";

/**
 * Functions between the layers of a feed-forward block. `geluTanh` is the approximation that GPT-2 was trained with;
 * `squaredRelu` is `relu(x)²` (So et al. 2021, arXiv:2109.08668).
 */
export const activations = {
  relu,
  gelu: (x: Tensor): Tensor => gelu(x),
  geluTanh: (x: Tensor): Tensor => gelu(x, { approximate: "tanh" }),
  silu,
  squaredRelu: (x: Tensor): Tensor => square(relu(x)),
  sigmoid,
  tanh,
  identity: (x: Tensor): Tensor => x,
} as const;

/** The name of an elementwise function. */
export type ActivationName = keyof typeof activations;
export const activationNames = Object.keys(activations) as [ActivationName, ...ActivationName[]];
