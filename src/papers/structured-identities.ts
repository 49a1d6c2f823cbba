/** Identities of structured feed-forward layers: merging, the start of guides, and how often guides are left out. */
import {
  add,
  cast,
  compile,
  equal,
  evaluate,
  fold,
  item,
  key,
  mul,
  normal,
  ones,
  scan,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "../array/index.ts";
import type { FfnConfig } from "../models/index.ts";
import { ffn, type Structure, selfGuided, structuredFfn, structuredLinear } from "../nn/index.ts";

/** The forms with 5/16 of the weights of dense matrices, as near as whole blocks allow. */
export const structuresOf = (width: number) =>
  ({
    "low rank": { form: "lowRank", rank: width / 4 },
    "block-shuffle": { form: "blockShuffle", blocks: 4 },
    "block-dense": { form: "blockDense", blocks: 2, rank: 2 * Math.round(width / 6) },
  }) as const satisfies { readonly [form: string]: Structure };
/** A form by name. */
export type Form = keyof ReturnType<typeof structuresOf>;
/** All names. */
export const forms = Object.keys(structuresOf(1)) as Form[];

/** A structure of paper 16 as the feed-forward layer of a decoder with four times as many hidden units as its width. */
export const structuredConfig = ({ form, ...options }: Structure, width: number): FfnConfig =>
  ({ kind: form, hidden: 4 * width, ...options }) as FfnConfig;

/** Largest relative change of the outputs of blocks when their factors are merged, over forms and shapes. */
export async function changeByMerging(): Promise<number> {
  const changes: number[] = [];
  for (const [width, hidden] of [
    [48, 192],
    [96, 24],
  ] as const) {
    const dense = ffn({ width, hidden });
    for (const structure of Object.values(structuresOf(Math.min(width, hidden)))) {
      const layer = structuredFfn({ width, hidden, ...structure });
      const params = layer.init(key(1));
      const x = normal(key(2), [64, width]);
      const [y, merged] = await evaluate([layer.apply(params, x), dense.apply(layer.merge(params), x)] as const);
      changes.push(largestDifference(y, merged) / largest(y));
    }
  }
  return Math.max(...changes);
}

const largest = (x: Tensor): number => (x.data as Float32Array).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
const largestDifference = (x: Tensor, y: Tensor): number =>
  largest(tensor((x.data as Float32Array).map((v, i) => v - Number(y.data[i]))));

/** Largest relative change of the output of a new guided block with the weight of its guides. */
export async function changeByGuide(): Promise<number> {
  const changes: number[] = [];
  const x = await evaluate(normal(key(3), [16, 48]));
  for (const structure of Object.values(structuresOf(48))) {
    const layer = structuredFfn({ width: 48, hidden: 192, ...structure, guided: { skip: false } });
    const params = await evaluate(layer.init(key(4)));
    const run = compile((progress: Tensor) => layer.apply(params, x, { training: true, key: key(0), progress }));
    const end = await run(tensor(1));
    for (const progress of [0, 0.1, 0.25, 0.4])
      changes.push(largestDifference(await run(tensor(progress)), end) / largest(end));
  }
  return Math.max(...changes);
}

/** Share of 4096 steps over a whole cosine in which a layer leaves its guide out: there it gives what its factors give. */
export async function skippedShare(seed: number): Promise<number> {
  const steps = 4096;
  const layer = selfGuided(structuredLinear({ inputs: 1, outputs: 1, bias: false, form: "lowRank", rank: 1 }), {
    until: 1,
  });
  const params = { factors: { inner: zeros([1, 1]), weight: zeros([1, 1]) }, guide: { weight: ones([1, 1]) } };
  const step = (skipped: Tensor, progress: Tensor): [Tensor, object] => {
    const mode = { training: true, key: fold(key(seed), cast(mul(progress, steps), "int32")), progress };
    return [add(skipped, cast(equal(sum(layer.apply(params, ones([1, 1]), mode)), 0), "float32")), {}];
  };
  const run = compile((at: Tensor) => scan(step, zeros([]), at)[0]);
  return item(await run(tensor(Float32Array.from({ length: steps }, (_, i) => (i + 0.5) / steps)))) / steps;
}
