/** How long a token takes at batch 1 and in batches, beside what reading the weights once would take. */
import { evaluate, key, mapTree, normal, setDefaults, tensor } from "../../src/array/index.ts";
import { type Decoder, type DecoderParams, decoder, loadPretrained, modelFolder } from "../../src/models/index.ts";
import { median } from "../../src/report/index.ts";
import { decodeCosts, generate } from "../../src/serve/index.ts";
import { quantizeLinears } from "../../src/surgery/index.ts";
import { medianRates, openRoofline, type Rates } from "../roofline.ts";
import { table } from "../table.ts";

export interface DecodeBenchOptions {
  /** Folders or names of models, or `random-100m`; with `-int8` or `-int4` at its end, with weights of few bits. */
  readonly models: readonly string[];
  readonly rows: readonly number[];
  /** Tokens of the prompts, and new ones that are timed in a round. */
  readonly prompt: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly threads: number;
  readonly log: (line: string) => void;
}

/** Of one model and number of rows. */
export interface DecodeFigures {
  readonly model: string;
  readonly rows: number;
  /** Milliseconds a step, which gives a token to each row: the medians of the rounds. */
  readonly ms: readonly number[];
  readonly tokensPerSecond: number;
  /** Bytes of weights over the time of a step, and that over the rates of reading and of copying. */
  readonly bytesPerSecond: number;
  readonly shareOfRead: number;
  readonly shareOfCopy: number;
}

export interface DecodeReport {
  /** Bytes read in a second by all threads together where nothing is written, and read and written where they copy. */
  readonly readRate: number;
  readonly copyRate: number;
  readonly figures: readonly DecodeFigures[];
}

/** Times all models and numbers of rows in turn, round after round. */
export async function runDecode(options: DecodeBenchOptions): Promise<DecodeReport> {
  const { models, rows, prompt, tokens, rounds, threads, log } = options;
  setDefaults({ threads });
  const roofline = await openRoofline(threads);
  const rates: Rates[] = [];
  const loaded: { readonly name: string; readonly model: Decoder; readonly params: DecoderParams }[] = [];
  for (const name of models) loaded.push({ name, ...(await load(name)) });
  const cases = loaded.flatMap((each) => rows.map((count) => ({ ...each, count, ms: [] as number[] })));
  // The first round builds graphs and does not count.
  for (let round = 0; round <= rounds; round++) {
    log(`round ${round} of ${rounds}`);
    rates.push(await roofline.measure());
    for (const { model, params, count, ms } of cases) {
      const prompts = Array.from({ length: count }, (_, row) =>
        Array.from({ length: prompt }, (_, i) => (7 * i + row + 1) % model.config.vocabulary),
      );
      const times: number[] = [];
      let last = 0;
      for await (const _ of generate(model, params, prompts, { maxTokens: tokens + 1, temperature: 0 })) {
        if (last > 0) times.push(performance.now() - last);
        last = performance.now();
      }
      if (round > 0) ms.push(median(times));
    }
  }
  await roofline.close();
  const { read, copy } = medianRates(rates);
  return {
    ...{ readRate: read, copyRate: copy },
    figures: cases.map(({ name, model, params, count, ms }) => {
      const bytesPerSecond = decodeCosts(model, params).weightBytesPerToken / (median(ms) / 1000);
      return {
        model: name,
        rows: count,
        ms,
        tokensPerSecond: (1000 * count) / median(ms),
        bytesPerSecond,
        shareOfRead: bytesPerSecond / read,
        shareOfCopy: bytesPerSecond / copy,
      };
    }),
  };
}

export const decodeText = ({ readRate, copyRate, figures }: DecodeReport): string =>
  `${table(
    ["model", "rows", "ms a step", "tokens/s", "weights GB/s", "of reading", "of copying"],
    figures.map(({ model, rows, ms, tokensPerSecond, bytesPerSecond, shareOfRead, shareOfCopy }) => [
      model,
      String(rows),
      median(ms).toFixed(2),
      tokensPerSecond.toFixed(1),
      (bytesPerSecond / 1e9).toFixed(2),
      `${(100 * shareOfRead).toFixed(0)} %`,
      `${(100 * shareOfCopy).toFixed(0)} %`,
    ]),
  )}\nreading: ${(readRate / 1e9).toFixed(2)} GB/s; copying: ${(copyRate / 1e9).toFixed(2)} GB/s read and written\n`;

/** A Llama form of about 100 million parameters with random weights. */
const RANDOM = "random-100m";

async function load(given: string): Promise<{ model: Decoder; params: DecoderParams }> {
  const [, name = given, bits] = /^(.*)-int([48])$/.exec(given) ?? [];
  const { model, params } = await loadFloat(name);
  if (bits === undefined) return { model, params };
  const rounded = quantizeLinears({ config: model.config, params }, { bits: bits === "8" ? 8 : 4 });
  return { model: decoder(rounded.config), params: rounded.params };
}

async function loadFloat(name: string): Promise<{ model: Decoder; params: DecoderParams }> {
  if (name !== RANDOM) return loadPretrained(modelFolder(name));
  const model = decoder({
    vocabulary: 32_000,
    context: 2048,
    width: 768,
    norm: "rms",
    blocks: Array.from({ length: 12 }, () => [
      { mixer: { kind: "attention", heads: 12, bias: false } } as const,
      { ffn: { kind: "gated", hidden: 2048 } } as const,
    ]),
  });
  // One block of random numbers again and again: times do not depend on what they are.
  const block = (await evaluate(normal(key(0), [2 ** 18], { std: 0.02 }))).data as Float32Array;
  const params = mapTree(model.init(key(0)), ({ shape, size }) => {
    const values = new Float32Array(size);
    for (let i = 0; i < size; i += block.length) values.set(block.subarray(0, size - i), i);
    return tensor(values, { shape });
  });
  return { model, params };
}
