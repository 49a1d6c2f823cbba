/** U-Nets from fields to fields on periodic grids: the usual convolutional network that operators are held against. */
import { concat, gelu, maxPool, type Tensor, type Tree } from "../array/index.ts";
import {
  compose,
  convolution,
  groupNorm,
  type Layer,
  padPeriodic,
  pointwise,
  transposedConvolution,
} from "../nn/index.ts";
import { type GridPoints, withCoordinates } from "./neural-operator.ts";

export interface FieldUnetOptions {
  /** Channels of the field that is given. */
  readonly inputs: number;
  /** Channels of the field that is wanted. */
  readonly outputs: number;
  /** Channels on the finest grid; each coarser one has twice as many. */
  readonly width: number;
  /** Grids in all, each with half of the points of the one before along each axis; 3 by default. */
  readonly levels?: number;
  /** Axes of the grid; 2 by default. */
  readonly dimensions?: 1 | 2;
  /** Whether it is told where points lie, as `neuralOperator` is; by points `i/n` by default. */
  readonly coordinates?: GridPoints | "none";
}

/** Twice: a convolution of 3 points along each axis without ends, a norm over channels and grid, and GELU. */
function convolutions(inputs: number, outputs: number, dimensions: number): Layer<Tree> {
  const kernel = Array<number>(dimensions).fill(3);
  const parts = {
    first: convolution({ inputs, outputs, kernel, bias: false }),
    firstNorm: groupNorm({ channels: outputs, groups: 1 }),
    second: convolution({ inputs: outputs, outputs, kernel, bias: false }),
    secondNorm: groupNorm({ channels: outputs, groups: 1 }),
  };
  return compose(parts, ({ first, firstNorm, second, secondNorm }, x: Tensor) => {
    const h = gelu(firstNorm(first(padPeriodic(x, 1))));
    return gelu(secondNorm(second(padPeriodic(h, 1))));
  });
}

/**
 * A U-Net: pairs of convolutions on ever coarser grids, reached by the largest of each 2 × 2 points, then back to finer
 * ones by transposed convolutions, where each pair also sees what the pair of its grid gave on the way down; a pointwise
 * map at the end. Its kernels are of 3 points on any grid, so it is tied to the grid it was trained on.
 * `x: [batch, inputs, ...grid]` gives `[batch, outputs, ...grid]`. Throws unless all extents are multiples of
 * `2^(levels - 1)`.
 * Source: Ronneberger et al. 2015, arXiv:1505.04597; norms over groups and ends that meet as for fields of physics in Gupta
 * and Brandstetter 2022, arXiv:2209.15616.
 */
export function fieldUnet({
  inputs,
  outputs,
  width,
  levels = 3,
  dimensions = 2,
  coordinates = "points",
}: FieldUnetOptions): Layer<{ readonly [name: string]: Tree }> {
  if (!Number.isInteger(levels) || levels < 1)
    throw new RangeError(`fieldUnet: levels must be a whole number of at least 1, got ${levels}`);
  const channels = Array.from({ length: levels }, (_, level) => width * 2 ** level);
  const two = Array<number>(dimensions).fill(2);
  const seen = inputs + (coordinates === "none" ? 0 : dimensions);
  const parts: Record<string, Layer<Tree>> = {};
  channels.forEach((own, level) => {
    parts[`down${level}`] = convolutions(level === 0 ? seen : (channels[level - 1] as number), own, dimensions);
    if (level === levels - 1) return;
    const coarser = channels[level + 1] as number;
    parts[`rise${level}`] = transposedConvolution({
      inputs: coarser,
      outputs: own,
      kernel: two,
      stride: 2,
    });
    parts[`up${level}`] = convolutions(2 * own, own, dimensions);
  });
  parts.project = pointwise({ inputs: width, outputs });
  return compose(parts, (part, x: Tensor) => {
    checkGrid(x, inputs, dimensions, 2 ** (levels - 1));
    const call = (name: string, h: Tensor): Tensor => (part[name] as (h: Tensor) => Tensor)(h);
    const left: Tensor[] = [];
    let h = coordinates === "none" ? x : withCoordinates(x, coordinates);
    for (let level = 0; level < levels; level++) {
      h = call(`down${level}`, level === 0 ? h : maxPool(h, { window: two, stride: two }));
      left.push(h);
    }
    for (let level = levels - 2; level >= 0; level--)
      h = call(`up${level}`, concat([left[level] as Tensor, call(`rise${level}`, h)], { axis: 1 }));
    return call("project", h);
  });
}

function checkGrid(x: Tensor, inputs: number, dimensions: number, divisor: number): void {
  const grid = x.shape.slice(2);
  if (x.shape[1] !== inputs || grid.length !== dimensions || grid.some((n) => n < 1 || n % divisor !== 0))
    throw new RangeError(
      `fieldUnet: expected x [batch, ${inputs}, ...grid] with ${dimensions} axes of multiples of ${divisor} points, got [${x.shape.join(", ")}]`,
    );
}
