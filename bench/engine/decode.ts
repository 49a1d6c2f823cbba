/** A token of a Llama form: in float32, by the runtime alone, and with weights of few bits. */
import {
  abs,
  argMax,
  cast,
  concat,
  max,
  mean,
  reshape,
  sqrt,
  square,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, type StackCache } from "../../src/models/index.ts";
import { RowCaches } from "../../src/serve/index.ts";
import { readToken } from "../../src/serve/steps.ts";
import { quantizeLinears } from "../../src/surgery/index.ts";
import { readInputs } from "./inputs.ts";
import type { StoredJob } from "./job.ts";
import { nested, toTensors } from "./models.ts";
import type { Program } from "./programs.ts";

const llama = ({ layers = 0, width = 0, heads = 0, hidden = 0, vocabulary = 0, room = 0 }: StoredJob["sizes"]) =>
  decoder({
    ...{ vocabulary, width, context: room, norm: "rms" as const },
    blocks: Array.from({ length: layers }, () => [
      { mixer: { kind: "attention", heads, bias: false } } as const,
      { ffn: { kind: "gated", hidden } } as const,
    ]),
  } satisfies DecoderConfig);

/** Each reads one token after those that the caches hold, and gives the likeliest next one and what it leaves there. */
export function decodePrograms(job: StoredJob): readonly Program[] {
  const model = llama(job.sizes);
  const { blocks, ...rest } = nested(toTensors(readInputs(job.file, job.arrays, "parameter")));
  const params = { ...rest, blocks: Object.values(blocks as object), shared: {} } as unknown as DecoderParams;
  const { seen = 0, room = 0 } = job.sizes;
  const caches = new RowCaches(model.cache, { rows: 1, longest: room });
  caches.fit(room);
  const token = tensor(Int32Array.of(1), { shape: [1, 1] });
  const places = tensor(Int32Array.of(seen));
  const fn = (weights: DecoderParams, x: Tensor, cache: StackCache, before: Tensor): readonly Tensor[] => {
    const [vectors, fresh] = readToken(model, weights, x, cache, before);
    const logits = model.logits(weights, vectors);
    const figures = [sqrt(mean(square(logits))), max(logits), mean(abs(logits))].map((x) => reshape(x, [1]));
    const chosen = cast(reshape(argMax(logits, { axis: -1 }), [1]), "float32");
    return [concat([chosen, ...figures], { axis: 0 }), ...blocksOf(fresh)];
  };
  const program = (weights: DecoderParams): Program => ({
    fn,
    args: [weights, token, caches.view(1), places],
    steps: 1,
    // The likeliest token may change with weights that are rounded, so it is not compared.
    check: ([figures]) => Array.from(figures ?? []).slice(1),
  });
  const rounded = (bits: 8 | 4): DecoderParams => quantizeLinears({ config: model.config, params }, { bits }).params;
  return [
    { ...program(params), label: "float32", by: "both" },
    { ...program(rounded(8)), id: "int8", label: "weights of 8 bits", tolerance: 0.05 },
    { ...program(rounded(4)), id: "int4", label: "weights of 4 bits", tolerance: 0.3 },
  ];
}

const blocksOf = (cache: StackCache): Tensor[] =>
  cache.flatMap((block) => Object.values(block).flatMap((part) => Object.values(part as object) as Tensor[]));
