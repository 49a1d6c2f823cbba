/** Positions as rotations. */
import {
  add,
  arange,
  broadcastTo,
  type Complex,
  cast,
  complexMul,
  concat,
  cos,
  mul,
  reshape,
  type Shape,
  sin,
  slice,
  stack,
  sub,
  Tensor,
  tensor,
} from "../array/index.ts";

export interface RotaryOptions {
  /** Wavelengths grow geometrically from 2π to `2π·base` positions; 10,000 by default. */
  readonly base?: number;
  /**
   * Position of the first vector, 0 by default; an integer tensor where it is known only when the graph runs: a scalar, or
   * `[batch]` with a position for each entry of the first axis of x.
   */
  readonly offset?: number | Tensor;
  /** Only the first so many features are turned; all by default. */
  readonly width?: number;
  /** Slower rotations, for contexts longer than those of training; none by default. */
  readonly scaling?: RotaryScaling;
  /**
   * Which features make a pair: i and i + width/2 (the default, as in checkpoints of the Hugging Face layout), or 2i and
   * 2i + 1 (the source, and llama2.c).
   */
  readonly pairs?: "halves" | "neighbours";
}

/**
 * Slower rotations for contexts longer than those of training. `linear` divides all frequencies by `factor`; `llama3` only
 * those of wavelengths beyond `context/low`, and those between `context/high` and that in part; `yarn` those of pairs that
 * turn less than `slow` times in `context` positions, those up to `fast` times in part, in proportion to the number of the
 * pair, and multiplies what is turned by `magnitude`.
 * Sources: Chen et al. 2023, arXiv:2306.15595; Grattafiori et al. 2024 (Llama 3), arXiv:2407.21783; Peng et al. 2023 (YaRN),
 * arXiv:2309.00071.
 */
export type RotaryScaling =
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      /** Positions of training. */
      readonly context: number;
      readonly low: number;
      readonly high: number;
    }
  | {
      readonly kind: "yarn";
      readonly factor: number;
      /** Positions of training. */
      readonly context: number;
      readonly fast: number;
      readonly slow: number;
      readonly magnitude: number;
      /** Whether the numbers of the first and last pair in between are rounded outwards. */
      readonly rounded: boolean;
    };

/** The angle between positions of a pair of features, of which there are `half`. */
function frequencyOf(pair: number, half: number, base: number, scaling: RotaryScaling | undefined): number {
  const frequency = base ** (-pair / half);
  if (!scaling) return frequency;
  const slow = frequency / scaling.factor;
  if (scaling.kind === "linear") return slow;
  if (scaling.kind === "yarn") {
    const { fast, context, rounded } = scaling;
    const pairThatTurns = (times: number): number =>
      (half * Math.log(context / (times * 2 * Math.PI))) / Math.log(base);
    const [from, to] = [pairThatTurns(fast), pairThatTurns(scaling.slow)];
    const first = Math.max(0, rounded ? Math.floor(from) : from);
    const last = Math.min(2 * half - 1, rounded ? Math.ceil(to) : to);
    const share = Math.min(1, Math.max(0, (pair - first) / (last === first ? 0.001 : last - first)));
    return share * slow + (1 - share) * frequency;
  }
  const turns = (scaling.context * frequency) / (2 * Math.PI);
  const share = Math.min(1, Math.max(0, (turns - scaling.low) / (scaling.high - scaling.low)));
  return slow + share * (frequency - slow);
}

/**
 * Rotary position embedding: pair i of the features of the vector at position t is turned by the angle
 * `t·base^(-2i/width)`, so the product of two turned vectors depends on their distance only.
 * `x: [..., time, width]` (even width) gives the same shape.
 * Source: Su et al. 2021, arXiv:2104.09864, section 3.2.
 */
export function rotary(
  x: Tensor,
  { base = 10_000, offset = 0, width: turned, scaling, pairs = "halves" }: RotaryOptions = {},
): Tensor {
  const [time, full] = x.shape.slice(-2) as [number, number];
  const width = turned ?? full;
  if (x.rank < 2 || width % 2 !== 0 || width > full) {
    throw new RangeError(
      `rotary: expected x of shape [..., time, width] with an even width${turned === undefined ? "" : ` of at least ${turned}`}, got [${x.shape.join(", ")}]`,
    );
  }
  if (width < full) {
    const cut = (from: number, to: number): Tensor => slice(x, { starts: [from], stops: [to], axes: [-1] });
    const options = { base, offset, pairs, ...(scaling ? { scaling } : {}) };
    return concat([rotary(cut(0, width), options), cut(width, full)], { axis: -1 });
  }
  if (!(base > 0)) throw new RangeError(`rotary: base must be above 0, got ${base}`);
  const half = width / 2;
  if (offset instanceof Tensor && offset.rank > 0 && (offset.rank > 1 || offset.shape[0] !== x.shape[0]))
    throw new RangeError(
      `rotary: expected an offset that is a scalar or [${x.shape[0]}], got [${offset.shape.join(", ")}]`,
    );
  const table = angles(time, half, (i) => frequencyOf(i, half, base, scaling), offset, x.rank);
  const magnitude = scaling?.kind === "yarn" ? scaling.magnitude : 1;
  const [c, s] = [table.cos, table.sin].map((t) => cast(magnitude === 1 ? t : mul(t, magnitude), x.dtype)) as [
    Tensor,
    Tensor,
  ];
  return pairs === "halves" ? turnHalves(x, { re: c, im: s }) : turnNeighbours(x, { re: c, im: s });
}

function turnHalves(x: Tensor, factors: Complex): Tensor {
  if (factors.re.rank === 2) return complexMul(x, factors);
  // Entries of the first axis have positions of their own, so each row has its own factors.
  const [outer, width] = [x.shape.slice(0, -1), x.shape.at(-1) as number];
  const [count, half] = [x.size / width, width / 2];
  const ofRows = (t: Tensor): Tensor => reshape(broadcastTo(t, [...outer, half]), [count, half]);
  const turned = complexMul(reshape(x, [count, width]), { re: ofRows(factors.re), im: ofRows(factors.im) });
  return reshape(turned, x.shape);
}

function turnNeighbours(x: Tensor, { re, im }: Complex): Tensor {
  const split: Shape = [...x.shape.slice(0, -1), (x.shape.at(-1) as number) / 2, 2];
  const pick = (i: number): Tensor =>
    reshape(slice(reshape(x, split), { starts: [i], stops: [i + 1], axes: [-1] }), split.slice(0, -1));
  const [a, b] = [pick(0), pick(1)];
  const turned = [sub(mul(a, re), mul(b, im)), add(mul(b, re), mul(a, im))];
  return reshape(stack(turned, { axis: -1 }), x.shape);
}

/** Cosine and sine of the angles, `[time, half]`, or `[batch, 1, ..., time, half]` for an x of that rank. Where positions are known they are computed here in double precision. */
function angles(
  time: number,
  half: number,
  frequency: (pair: number) => number,
  offset: number | Tensor,
  rank: number,
): { cos: Tensor; sin: Tensor } {
  const frequencies = Float64Array.from({ length: half }, (_, i) => frequency(i));
  if (offset instanceof Tensor) {
    const first = offset.rank === 0 ? offset : reshape(offset, [-1, ...Array<number>(rank - 1).fill(1)]);
    const positions = cast(add(cast(first, "int32"), reshape(arange(time), [time, 1])), "float32");
    const angle = mul(positions, tensor(frequencies, { dtype: "float32" }));
    return { cos: cos(angle), sin: sin(angle) };
  }
  const table = (fn: (angle: number) => number): Tensor =>
    tensor(
      Float32Array.from({ length: time * half }, (_, i) =>
        fn((offset + Math.floor(i / half)) * (frequencies[i % half] as number)),
      ),
      { shape: [time, half] },
    );
  return { cos: table(Math.cos), sin: table(Math.sin) };
}
