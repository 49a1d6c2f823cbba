/** The translators of paper 6, and what can be said of them without training. */
import { compile, evaluate, flatten, grad, key, mean, square, type Tree, tensor } from "../array/index.ts";
import {
  type CrossSublayer,
  type EncoderDecoder,
  type EncoderDecoderConfig,
  type EncoderDecoderParams,
  encoderDecoder,
  type Sublayer,
} from "../models/index.ts";

/** Sizes of a translator. */
export interface Shape {
  readonly vocabulary: number;
  readonly context: number;
  readonly width: number;
  readonly heads: number;
  /** Layers of the encoder, and of the decoder. */
  readonly layers: number;
}

/** Transformer Big, with the positions that the times need. */
export const big: Shape = { vocabulary: 32_000, context: 64, width: 1024, heads: 16, layers: 6 };

/** Feed-forward layers of a stack: hidden units over the width, and whether all layers have the same one; null for none. */
type Forward = { readonly factor: number; readonly shared: boolean } | null;
const own: Forward = { factor: 4, shared: false };
const shared: Forward = { factor: 4, shared: true };

/** Feed-forward layers of encoder and decoder; the wide one has the hidden units of all that it stands for. */
export const variants = {
  baseline: () => [own, own],
  SharedEncNoDec: () => [shared, null],
  NoEncSharedDec: () => [null, shared],
  SharedEncSharedDec: () => [shared, shared],
  "One Wide": ({ layers }: Shape) => [{ factor: 2 * layers * 4, shared: true }, null],
} as const satisfies Record<string, (shape: Shape) => readonly [Forward, Forward]>;
/** The name of a variant. */
export type Arm = keyof typeof variants;
export const armNames = Object.keys(variants) as Arm[];

/** A variant at some sizes: learned positions, ReLU, biases, norms before sublayers, one table of embeddings. */
export function configOf(arm: Arm, shape: Shape): EncoderDecoderConfig {
  const { layers, heads, width, vocabulary, context } = shape;
  const [encoder, decoder] = variants[arm](shape);
  const attention: Sublayer = { mixer: { kind: "attention", heads } };
  const stack = <S extends CrossSublayer>(forward: Forward, name: string, ...before: readonly S[]) => {
    const dense = (of: NonNullable<Forward>): Sublayer => ({
      ffn: { kind: "dense", hidden: of.factor * width, activation: "relu" },
      ...(of.shared ? { shared: name } : {}),
    });
    return Array.from({ length: layers }, () => [...before, ...(forward ? [dense(forward)] : [])]);
  };
  return {
    vocabulary,
    context,
    width,
    positions: "learned",
    encoder: stack(encoder, "encoder", attention),
    decoder: stack<CrossSublayer>(decoder, "decoder", attention, { cross: { heads } }),
  };
}

/** Weights of layers, biases and norms left out, over the square of the width. */
export function squaresOf(config: EncoderDecoderConfig): number {
  const { leaves, paths } = flatten(encoderDecoder(config).init(key(0)));
  const weights = leaves.filter(({ rank }, i) => rank === 2 && /^(encoder|decoder|shared)\./.test(paths[i] as string));
  return weights.reduce((total, { size }) => total + size, 0) / config.width ** 2;
}

/** Feed-forward layers that parameters hold. */
export const storedLayers = (config: EncoderDecoderConfig): number =>
  flatten(encoderDecoder(config).init(key(0))).paths.filter((path) => path.endsWith("up.weight")).length;

/**
 * Largest difference between the gradient of a shared layer and the sum of the gradients of copies of it, over the
 * largest of these numbers.
 */
export async function gradientError(): Promise<number> {
  const config = configOf("One Wide", { vocabulary: 16, context: 8, width: 32, heads: 2, layers: 3 });
  const together = encoderDecoder(config);
  const apart = encoderDecoder({
    ...config,
    encoder: config.encoder.map((block) => block.map(({ shared: _, ...sublayer }) => sublayer)),
  });
  const params = await evaluate(together.init(key(0)));
  const layer = params.shared.encoder as Tree;
  const copies: EncoderDecoderParams = {
    ...params,
    shared: {},
    encoder: params.encoder.map((block) => ({ ...block, ffn: { ...block.ffn, layer } })),
  };
  const source = tensor(Int32Array.of(3, 4, 5, 6, 7, 8), { shape: [2, 3] });
  const target = tensor(Int32Array.of(1, 9, 8, 1, 2, 3), { shape: [2, 3] });
  const gradient = (model: EncoderDecoder, at: EncoderDecoderParams) =>
    compile(grad((p: EncoderDecoderParams) => mean(square(model.apply(p, { source, target })))))(at);
  const numbers = (tree: Tree | undefined): number[] =>
    flatten(tree as Tree).leaves.flatMap(({ data }) => Array.from(data as Float32Array));
  const sum = numbers((await gradient(together, params)).shared.encoder);
  const each = (await gradient(apart, copies)).encoder.map(({ ffn }) => numbers(ffn?.layer));
  const errors = sum.map((value, i) => Math.abs(value - each.reduce((total, part) => total + (part[i] as number), 0)));
  return largest(errors) / largest(sum.map(Math.abs));
}
const largest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), 0);
