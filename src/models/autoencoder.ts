/** Autoencoders of images with a grid of tokens between encoder and decoder. */
import { fold, type Key, reshape, type Tensor, type Tree, transpose } from "../array/index.ts";
import { compose, linear, type Mode, mlpMixer, type Quantized, type Quantizer } from "../nn/index.ts";

export interface PatchAutoencoderOptions {
  /** Extent of the square images. */
  readonly image: number;
  /** Extent of a square patch, a divisor of `image`; each patch becomes one token. */
  readonly patch: number;
  /** Extent of a token inside encoder and decoder. */
  readonly width: number;
  /** Hidden extent of the feed-forward blocks. */
  readonly hidden: number;
  /** Their activation; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Channels of the bottleneck. */
  readonly channels: number;
}

/** Cuts images `[batch, image·image]` into patches `[batch, tokens, patch·patch]`, row by row. */
export function toPatches(x: Tensor, image: number, patch: number): Tensor {
  const n = image / patch;
  return reshape(transpose(reshape(x, [-1, n, patch, n, patch]), [0, 1, 3, 2, 4]), [-1, n * n, patch * patch]);
}

/** The inverse of `toPatches`. */
export function fromPatches(x: Tensor, image: number, patch: number): Tensor {
  const n = image / patch;
  return reshape(transpose(reshape(x, [-1, n, n, patch, patch]), [0, 1, 3, 2, 4]), [-1, image * image]);
}

/**
 * An encoder and a decoder of one mixer block each: images `[batch, image·image]` to `[batch, tokens, channels]` and
 * back. What stands between them, such as a quantizer, is the caller's.
 */
export function patchAutoencoder({ image, patch, width, hidden, channels, ...rest }: PatchAutoencoderOptions) {
  if (image % patch !== 0) throw new RangeError(`patchAutoencoder: patches of ${patch} do not tile images of ${image}`);
  const tokens = (image / patch) ** 2;
  const block = () => mlpMixer({ tokens, width, tokenHidden: hidden, hidden, ...rest });
  const encoder = compose(
    {
      embed: linear({ inputs: patch * patch, outputs: width }),
      mix: block(),
      project: linear({ inputs: width, outputs: channels }),
    },
    ({ embed, mix, project }, x: Tensor) => project(mix(embed(toPatches(x, image, patch)))),
  );
  const decoder = compose(
    {
      embed: linear({ inputs: channels, outputs: width }),
      mix: block(),
      project: linear({ inputs: width, outputs: patch * patch }),
    },
    ({ embed, mix, project }, z: Tensor) => fromPatches(project(mix(embed(z))), image, patch),
  );
  return { encoder, decoder, tokens };
}

/** Parameters of an autoencoder with a quantizer between its halves, and the state of the quantizer. */
export interface QuantizedParams {
  readonly [part: string]: Tree;
  readonly encoder: Tree;
  readonly decoder: Tree;
  readonly quantizer: Tree;
}

/** An autoencoder of images `[batch, image·image]` whose tokens are quantized between encoder and decoder. */
export interface QuantizedAutoencoder {
  /** Number of codes a token can become. */
  readonly codes: number;
  init(key: Key): { readonly params: QuantizedParams; readonly state: Tree };
  /** The reconstruction, and what the quantizer made of the tokens. */
  apply(params: QuantizedParams, state: Tree, x: Tensor, mode?: Mode): Quantized & { readonly image: Tensor };
}

/** Joins a patch autoencoder, with as many channels as the quantizer has, and the quantizer. */
export function quantizedAutoencoder(
  quantizer: Quantizer,
  options: Omit<PatchAutoencoderOptions, "channels">,
): QuantizedAutoencoder {
  const { encoder, decoder } = patchAutoencoder({ ...options, channels: quantizer.channels });
  return {
    codes: quantizer.size,
    init: (key) => {
      const { params, state } = quantizer.init(fold(key, "quantizer"));
      return {
        params: {
          encoder: encoder.init(fold(key, "encoder")),
          decoder: decoder.init(fold(key, "decoder")),
          quantizer: params,
        },
        state,
      };
    },
    apply: (params, state, x, mode) => {
      const quantized = quantizer.apply(params.quantizer, state, encoder.apply(params.encoder as never, x), mode);
      return { ...quantized, image: decoder.apply(params.decoder as never, quantized.codes) };
    },
  };
}
