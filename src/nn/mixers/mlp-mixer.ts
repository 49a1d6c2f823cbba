/** Mixing of tokens by a feed-forward block across them. */
import { add, gelu, type Tensor, transpose } from "../../array/index.ts";
import { ffn } from "../ffn/dense.ts";
import { compose } from "../layer.ts";
import { layerNorm } from "../norm.ts";

export interface MixerOptions {
  /** Number of tokens; fixed, since a feed-forward block runs across them. */
  readonly tokens: number;
  /** Extent of a token. */
  readonly width: number;
  /** Hidden extent of the block across tokens. */
  readonly tokenHidden: number;
  /** Hidden extent of the block on each token. */
  readonly hidden: number;
  /** Function between the layers of both blocks; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
}

/**
 * Mixer block: `h = x + ffn_tokens(norm(x)ᵀ)ᵀ`, `y = h + ffn(norm(h))`.
 * `x: [..., tokens, width]` gives the same shape.
 * Source: Tolstikhin et al. 2021, arXiv:2105.01601, equation 1.
 */
export const mlpMixer = ({ tokens, width, tokenHidden, hidden, activation = gelu }: MixerOptions) =>
  compose(
    {
      tokenNorm: layerNorm({ width }),
      tokenFfn: ffn({ width: tokens, hidden: tokenHidden, activation }),
      norm: layerNorm({ width }),
      ffn: ffn({ width, hidden, activation }),
    },
    (parts, x: Tensor) => {
      const across = [...x.shape.slice(0, -2).map((_, i) => i), x.rank - 1, x.rank - 2];
      const h = add(x, transpose(parts.tokenFfn(transpose(parts.tokenNorm(x), across)), across));
      return add(h, parts.ffn(parts.norm(h)));
    },
  );
