/** A calibration text carried through a model place by place, cut at each one before it goes on. */
import { compile, matmul, ones, type Tensor, tensor, zeros } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderParams, decoder, observe } from "../models/index.ts";
import { rmsNorm } from "../nn/index.ts";
import { type Covariance, covarianceOf, type Moments, momentsOf, windowsOf } from "../probe/index.ts";
import { inputsAndTargets } from "../train/index.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { type Basis, readingGroups } from "./rotate.ts";
import { namesOf, type OwnedSublayer, placeText, putTogether, takeApart } from "./sublayers.ts";

/** Windows that go through the model at once. */
const BATCH = 8;

/** The places that read the stream, in order: `blocks[0].mixer`, …, and `head`. */
export const readingPlaces = (model: ConfiguredDecoder): readonly string[] => [
  ...readingGroups(takeApart(model)).flatMap((block, b) => {
    const names = namesOf(block.flat().map(({ sublayer }) => sublayer));
    let at = 0;
    return block.map((group) => {
      const name = names[at] as string;
      at += group.length;
      return placeText({ block: b, name });
    });
  }),
  "head",
];

export interface WalkOptions {
  /** Tokens of the text that are carried through, rounded up to whole windows. */
  readonly tokens: number;
  readonly signal?: AbortSignal;
}

/**
 * Gives, for each of `readingPlaces`, the mean of the products of what is read there (after its norm, mean not taken
 * off), and takes the basis that the stream keeps there, null for all of it. What comes later has seen the cuts before
 * it. One pass in all: the stream of all tokens is kept in memory, 4 bytes a dimension. The model must be as `foldNorms`
 * leaves it.
 */
export async function* walkStream(
  model: ConfiguredDecoder,
  text: TokenFile,
  { tokens, signal }: WalkOptions,
): AsyncGenerator<Covariance, void, Basis | null | undefined> {
  const whole = decoder(model.config);
  const { width, eps } = whole.config;
  const norm = rmsNorm({ width, eps });
  const read = (x: Tensor): Moments => momentsOf(norm.apply({ scale: ones([width], x.dtype) }, x));
  const windows = windowsOf(whole, text, { tokens });
  const places = readingPlaces(model);
  const embed = compile((params: DecoderParams, batch: Tensor) => {
    const { embedding: x } = observe(whole, params, inputsAndTargets(batch)[0], ["embedding"]);
    return { x, moments: read(x) };
  });
  let streams: Tensor[] = [];
  let sums: Moments | null = null;
  for (let first = 0; first < windows.count; first += BATCH) {
    signal?.throwIfAborted();
    const { tokens: batch } = windows.batch(first, Math.min(BATCH, windows.count - first));
    const { x, moments } = await embed(model.params, batch);
    streams.push(x);
    sums = together(sums, moments);
  }
  for (const [i, group] of [...readingGroups(takeApart(model)).flat(), null].entries()) {
    const basis = yield covarianceOf(sums as Moments, { centred: false, name: `what ${places[i]} reads` });
    if (group === null) return;
    const { part, params } = alone(model, group);
    const step = compile((weights: DecoderParams, x: Tensor, kept: Tensor | null) => {
      const cut = kept ? matmul(matmul(x, kept), kept, { transposeB: true }) : x;
      const after = through(part, weights, cut);
      return { x: after, moments: read(after) };
    });
    const kept = basis ? tensor(Float32Array.from(basis.matrix), { shape: [width, basis.kept] }) : null;
    sums = null;
    const next: Tensor[] = [];
    for (const x of streams) {
      signal?.throwIfAborted();
      const { x: after, moments } = await step(params, x, kept);
      next.push(after);
      sums = together(sums, moments);
    }
    streams = next;
  }
}

/** Moments of two sets of rows together. */
function together(a: Moments | null, b: Moments): Moments {
  if (!a) return b;
  const sum = (x: Tensor, y: Tensor): Tensor =>
    tensor(
      (x.data as Float64Array).map((v, i) => v + Number(y.data[i])),
      { shape: x.shape },
    );
  return { count: sum(a.count, b.count), sums: sum(a.sums, b.sums), products: sum(a.products, b.products) };
}

/** A model of these sublayers alone. */
function alone(model: ConfiguredDecoder, group: readonly OwnedSublayer[]): { part: Decoder; params: DecoderParams } {
  const { config, params } = putTogether(model, [group]);
  return { part: decoder(config), params };
}

/** The stream after the only block of a model, if `x: [batch, time, width]` enters it. */
function through(part: Decoder, params: DecoderParams, x: Tensor): Tensor {
  let after = x;
  const tokens = zeros(x.shape.slice(0, 2), "int32");
  part.hidden(params, tokens, {
    training: false,
    tap: (name, value) => {
      if (name === "embedding") return x;
      if (name === "blocks.0.stream") after = value;
      return value;
    },
  });
  return after;
}
