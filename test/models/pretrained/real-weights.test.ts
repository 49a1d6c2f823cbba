import { existsSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile, tensor, toNested } from "../../../src/array/index.ts";
import { folderTokenizer, loadPretrained, savePretrained, writeWeights } from "../../../src/models/index.ts";
import { generateText } from "../../../src/serve/index.ts";

/** A file of the folder of real data; a test that needs it is skipped, with a line, where it is not there. */
function dataFile(...names: string[]): string | null {
  const path = join(process.env.FOURWARD_DATA ?? "", ...names);
  if (process.env.FOURWARD_DATA && existsSync(path)) return path;
  console.log(`skipped: ${names.join("/")} is not on this machine; set FOURWARD_DATA to the folder that holds it`);
  return null;
}

async function story(
  model: Awaited<ReturnType<typeof loadPretrained>>,
  prompt: string,
  maxTokens: number,
): Promise<string> {
  let text = "";
  const { tokenizer } = model;
  if (!tokenizer) throw new Error("no tokenizer");
  for await (const piece of generateText({ ...model, tokenizer }, prompt, { maxTokens, temperature: 0 }))
    text += piece.text;
  return text;
}

describe("stories260K, trained weights of llama2.c", () => {
  const path = dataFile("stories260k", "stories260K.bin");
  it.skipIf(path === null)(
    "tells the story that its reference program tells, also when it is saved in between",
    async () => {
      const model = await loadPretrained(path as string);
      const begin = await story(model, "", 60);
      expect(begin).toMatch(/^Once upon a time, there was a little girl named Lily\. /);
      const { tokenizer } = model;
      expect(tokenizer?.decode(tokenizer.encode("Lily's café, 3 o'clock"))).toBe("Lily's café, 3 o'clock");
      const folder = await mkdtemp(join(tmpdir(), "fourward-stories-"));
      await savePretrained(folder, model);
      const again = await loadPretrained(folder);
      expect(await story(again, "", 60)).toBe(begin);
      expect(await story(again, "Once upon a time, there was", 5)).toBe(" a little girl");
    },
  );
});

describe("gpt-nano-sort, trained weights of minGPT", () => {
  const path = dataFile("gpt-nano-sort", "gpt-nano-sort-model.json");
  it.skipIf(path === null)(
    "sorts as GPT-2 with a head of its own, and has the activations that were published with it",
    async () => {
      type Stored = { readonly shape: readonly number[]; readonly dtype: string; readonly data: string };
      const stored = JSON.parse(await readFile(path as string, "utf8")) as { readonly [name: string]: Stored };
      const floats = ({ data }: Stored): Float32Array => {
        const bytes = Uint8Array.from(Buffer.from(data, "base64"));
        return new Float32Array(bytes.buffer);
      };
      const folder = await mkdtemp(join(tmpdir(), "fourward-sort-"));
      const { config, ...tensors } = stored as { config: { [field: string]: number } } & typeof stored;
      await writeFile(
        join(folder, "config.json"),
        JSON.stringify({
          model_type: "gpt2",
          vocab_size: config.vocab_size,
          n_positions: config.block_size,
          n_embd: config.n_embd,
          n_layer: config.n_layer,
          n_head: config.n_head,
          activation_function: "gelu_new",
          tie_word_embeddings: false,
        }),
      );
      // Its matrices are [outputs, inputs]; GPT-2's are not. Masks stay, as in published checkpoints, and are not looked at.
      const entries = Object.entries(tensors).map(([name, one]) => {
        const [rows, columns] = one.shape as [number, number];
        const data = floats(one);
        const turned = /\.(c_attn|c_proj|c_fc)\.weight$/.test(name);
        const values = turned
          ? Float32Array.from(
              { length: data.length },
              (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] as number,
            )
          : data;
        return [name, { dtype: "F32" as const, shape: turned ? [columns, rows] : one.shape, data: values }] as const;
      });
      await writeWeights(folder, Object.fromEntries(entries));
      const { model, params } = await loadPretrained(folder);
      const run = compile(model.apply);
      // Activations that the reference implementation recorded for three inputs.
      const partials = JSON.parse(
        await readFile(join(path as string, "../gpt-nano-sort-t0-partials.json"), "utf8"),
      ) as { readonly [name: string]: Stored };
      const inputs = Int32Array.from(floats(partials.idx as Stored));
      const ours = await run(params, tensor(inputs, { shape: [3, 11] }));
      floats(partials.lm_head as Stored).forEach((value, i) => {
        expect(Math.abs((ours.data[i] as number) - value)).toBeLessThan(1e-4);
      });
      const letters = [2, 1, 0, 1, 1, 0];
      const tokens = [...letters];
      for (let i = 0; i < 6; i++) {
        const logits = toNested(await run(params, tensor(Int32Array.from(tokens), { shape: [1, tokens.length] })));
        const last = (logits as number[][][])[0]?.at(-1) as number[];
        tokens.push(last.indexOf(Math.max(...last)));
      }
      expect(tokens.slice(6)).toEqual([...letters].sort());
    },
  );
});

describe("GPT-2's vocabulary and merges, without a tokenizer.json", () => {
  const path = dataFile("gpt2-tokenizer", "vocab.bpe");
  it.skipIf(path === null)("cuts text as the published tokenizer does", async () => {
    const tokenizer = await folderTokenizer(join(path as string, ".."));
    expect([...(tokenizer?.encode("Hello world, it's 2024!") ?? [])]).toEqual([15496, 995, 11, 340, 338, 48609, 0]);
    expect(tokenizer?.vocabularySize).toBe(50_257);
    expect(tokenizer?.endOfText).toBe(50_256);
  });
});
