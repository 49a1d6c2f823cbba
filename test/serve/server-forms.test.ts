import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile, logSoftmax, type Tensor, tensor } from "../../src/array/index.ts";
import { type RunningServer, startServer } from "../../src/serve/index.ts";
import { clientOf, tinyModel } from "./tiny-model.ts";

const { model, params, tokenizer } = await tinyModel({ context: 64 });
let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startServer(
    { model, params, tokenizer: { ...tokenizer, ends: [] } },
    {
      name: "org/tiny",
      host: "127.0.0.1",
      port: 0,
      chatTemplate:
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}{{ bos_token }}{{ m.content }}{% endfor %}",
      templateNames: { bos_token: "again" },
    },
  );
  client = clientOf(server);
});
afterAll(() => server.close());

const base = { model: "org/tiny", prompt: "the whale", max_tokens: 8, temperature: 0 };
const complete = (more: Partial<OpenAI.CompletionCreateParamsNonStreaming> = {}) =>
  client.completions.create({ ...base, ...more });

/** A token by its text, or by its number where it has none. */
const idOf = (text: string): number => Number(/^token_id:(\d+)$/.exec(text)?.[1] ?? tokenizer.encode(text)[0]);

/** The logarithms of probabilities of the token after these, from the whole sequence. */
const whole = compile((x: Tensor) => logSoftmax(model.apply(params, x)));
async function logprobsAfter(tokens: readonly number[]): Promise<Float32Array> {
  const y = await whole(tensor(Int32Array.from(tokens), { shape: [1, tokens.length] }));
  return (y.data as Float32Array).subarray(-tokenizer.vocabularySize);
}

describe("forms of requests and replies", { timeout: 30_000 }, () => {
  it("finds a model whose name has a slash", async () => {
    expect((await client.models.retrieve("org/tiny")).id).toBe("org/tiny");
  });

  it("takes prompts as text or tokens, one or several, and gives their choices in order", async () => {
    const texts = ["the whale", "the sea", "again"];
    const alone = await Promise.all(texts.map(async (prompt) => (await complete({ prompt })).choices[0]?.text));
    const several = await complete({ prompt: texts });
    expect(several.choices.map(({ text }) => text)).toEqual(alone);
    expect(several.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const tokens = texts.map((text) => [...tokenizer.encode(text)]);
    expect((await complete({ prompt: tokens })).choices.map(({ text }) => text)).toEqual(alone);
    expect((await complete({ prompt: tokens[1] as number[] })).choices[0]?.text).toBe(alone[1]);
    expect(several.usage).toEqual({
      prompt_tokens: tokens.flat().length,
      completion_tokens: 24,
      total_tokens: tokens.flat().length + 24,
    });
  });

  it("gives n choices, each from a seed of its own, streaming or not", async () => {
    const ask = { prompt: "the", temperature: 1, seed: 5, n: 3 };
    const texts = (await complete(ask)).choices.map(({ text }) => text);
    expect(new Set(texts).size).toBe(3);
    expect((await complete({ ...ask, seed: 6, n: 1 })).choices[0]?.text).toBe(texts[1]);
    const stream = await client.completions.create({ ...base, ...ask, stream: true });
    const streamed = ["", "", ""];
    const finished = new Set<number>();
    for await (const { choices } of stream)
      for (const { index, text, finish_reason } of choices) {
        streamed[index] += text;
        if (finish_reason) finished.add(index);
      }
    expect(streamed).toEqual(texts);
    expect(finished.size).toBe(3);
  });

  it("gives the probabilities of the model, also of completions", async () => {
    const { choices } = await complete({ logprobs: 2, temperature: 1, seed: 3 });
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0]?.logprobs ?? {};
    expect(tokens).toHaveLength(8);
    const ids = (tokens as string[]).map(idOf);
    expect(tokenizer.decode(ids)).toBe(choices[0]?.text);
    const before = [...tokenizer.encode(base.prompt)];
    const first = await logprobsAfter(before);
    const highest = [...first].sort((a, b) => b - a).slice(0, 2);
    Object.values(top_logprobs?.[0] ?? {})
      .sort((a, b) => b - a)
      .forEach((value, i) => {
        expect(value).toBeCloseTo(highest[i] as number, 4);
      });
    expect(token_logprobs?.[0]).toBeCloseTo(first[ids[0] as number] as number, 4);
    expect(text_offset?.[1]).toBe(tokenizer.decode([ids[0] as number]).length);
  });

  it("gives the probabilities of what a chat says, streaming or not", async () => {
    const ask = {
      ...{ model: "org/tiny", messages: [{ role: "user" as const, content: " the" }], max_tokens: 5, temperature: 0 },
      ...{ logprobs: true, top_logprobs: 3 },
    };
    const { choices } = await client.chat.completions.create(ask);
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content).toHaveLength(5);
    // The template writes the name of a special token, and gets the one that it was given.
    const first = await logprobsAfter([...tokenizer.encode("again the")]);
    expect(content[0]?.logprob).toBeCloseTo(Math.max(...first), 4);
    for (const { logprob, top_logprobs, token, bytes } of content) {
      expect(top_logprobs.map((each) => each.logprob)).toEqual(
        top_logprobs.map((each) => each.logprob).sort((a, b) => b - a),
      );
      expect(top_logprobs[0]?.logprob).toBe(logprob);
      expect(bytes === null ? token : Buffer.from(bytes).toString()).toBe(token);
    }
    const streamed: unknown[] = [];
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
    expect(streamed).toEqual(content);
  });

  it("repeats the prompt where it is asked to", async () => {
    const { text } = (await complete()).choices[0] as { text: string };
    expect((await complete({ echo: true })).choices[0]?.text).toBe(`the whale${text}`);
    let streamed = "";
    for await (const { choices } of await client.completions.create({ ...base, echo: true, stream: true }))
      streamed += choices[0]?.text ?? "";
    expect(streamed).toBe(`the whale${text}`);
  });

  it("says less of what it has said, and what it is pushed to", async () => {
    const of = async (more: object): Promise<number[]> => {
      const { choices } = await complete({ max_tokens: 30, logprobs: 0, ...more });
      return (choices[0]?.logprobs?.tokens ?? []).map(idOf);
    };
    const repeats = (tokens: number[]) => tokens.length - new Set(tokens).size;
    const plain = await of({});
    expect(repeats(plain)).toBeGreaterThan(0);
    expect(repeats(await of({ presence_penalty: 2, frequency_penalty: 2 }))).toBeLessThan(repeats(plain));
    const [pushed] = tokenizer.encode("e");
    expect(new Set(await of({ logit_bias: { [pushed as number]: 100 } }))).toEqual(new Set([pushed]));
    const [likeliest] = plain as [number];
    expect((await of({ logit_bias: { [likeliest]: -100 } }))[0]).not.toBe(likeliest);
  });

  it("counts tokens in a last chunk without choices, where it is asked to", async () => {
    const chunks: OpenAI.Completion[] = [];
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    for await (const chunk of await client.completions.create({ ...base, ...options })) chunks.push(chunk);
    expect(chunks.at(-1)?.choices).toEqual([]);
    expect(chunks.at(-1)?.usage?.completion_tokens).toBe(8);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it("goes on to the end of the context in a chat, and for 16 tokens in a completion, where nothing is said", async () => {
    const chat = await client.chat.completions.create({
      model: "org/tiny",
      messages: [{ role: "user", content: " the" }],
    });
    expect(chat.usage?.total_tokens).toBe(64);
    const { usage } = await client.completions.create({ model: "org/tiny", prompt: "the" });
    expect(usage?.completion_tokens).toBe(16);
  });

  it("says what the template refuses", async () => {
    const messages = [{ role: "tool" as const, content: "a", tool_call_id: "1" }];
    await expect(client.chat.completions.create({ model: "org/tiny", messages })).rejects.toMatchObject({
      status: 400,
      param: "messages",
      message: expect.stringContaining("no tools"),
    });
  });
});
