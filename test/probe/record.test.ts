import { describe, expect, it } from "vitest";
import { cast, compile, evaluate, greater, key, sum, type Tensor, tensor } from "../../src/array/index.ts";
import { decoder, observe } from "../../src/models/index.ts";
import { overText, recordActivations, totalOverText } from "../../src/probe/index.ts";
import { tokenFile } from "../temporary.ts";

const model = decoder({
  vocabulary: 20,
  context: 6,
  width: 8,
  positions: "learned",
  blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 10, activation: "relu" } }]],
});
const params = await evaluate(model.init(key(3)));
const all = Int32Array.from({ length: 100 }, (_, i) => (i * i + 3 * i) % 20);
const text = await tokenFile(20, all);
const hidden = "blocks.0.ffn.hidden" as const;
const active = ({ activations }: { activations: { readonly [hidden]: Tensor } }) =>
  sum(cast(greater(activations[hidden], 0), "float32"), { axis: [0, 1] });

describe("totalOverText", () => {
  it("counts the same whatever the batch, and what one pass over the windows counts", async () => {
    const counts = [];
    for (const batch of [1, 3, 16]) {
      const total = await totalOverText(model, params, text, [hidden], active, { batch });
      counts.push(Array.from(total.data as Float64Array));
    }
    expect(counts[1]).toEqual(counts[0]);
    expect(counts[2]).toEqual(counts[0]);
    // 16 windows of 6, each predicted from its own beginning; the last three tokens fill no window.
    const windows = tensor(all.slice(0, 96), { shape: [16, 6] });
    const once = await compile((p: typeof params, x: Tensor) => observe(model, p, x, [hidden])[hidden])(
      params,
      windows,
    );
    const expected = Array.from({ length: 10 }, (_, unit) =>
      (once.data as Float32Array).reduce((count, value, i) => count + Number(i % 10 === unit && value > 0), 0),
    );
    expect(counts[0]).toEqual(expected);
  });

  it("takes as many whole windows as hold the tokens that are asked for, spread over the text", async () => {
    const seen: number[] = [];
    const progress: string[] = [];
    const options = {
      tokens: 13,
      batch: 2,
      onProgress: (done: number, total: number) => progress.push(`${done}/${total}`),
    };
    for await (const { tokens } of overText(model, params, text, [], ({ tokens }) => ({ tokens }), options))
      seen.push(...Array.from(tokens.data as Int32Array));
    const starts = [0, 5, 10].map((window) => window * 6);
    expect(seen).toEqual(starts.flatMap((start) => Array.from(all.slice(start, start + 6))));
    expect(progress).toEqual(["12/18", "18/18"]);
  });
});

describe("recordActivations", () => {
  it("gives a row for each token", async () => {
    const rows = await recordActivations(model, params, text, [hidden, "final"], { tokens: 24, batch: 3 });
    expect(rows[hidden].length).toBe(24 * 10);
    expect(rows.final.length).toBe(24 * 8);
    const windows = tensor(Int32Array.from([0, 4, 8, 12].flatMap((w) => Array.from(all.slice(6 * w, 6 * w + 6)))), {
      shape: [4, 6],
    });
    const once = await compile((p: typeof params, x: Tensor) => observe(model, p, x, [hidden])[hidden])(
      params,
      windows,
    );
    for (const [i, value] of rows[hidden].entries()) expect(value).toBeCloseTo(Number(once.data[i]), 5);
  });

  it("stops when it is asked to", async () => {
    const abort = new AbortController();
    const run = recordActivations(model, params, text, [hidden], {
      batch: 2,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error("enough")),
    });
    await expect(run).rejects.toThrow("enough");
  });
});
