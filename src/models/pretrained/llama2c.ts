/**
 * Checkpoints of llama2.c, such as `stories260K.bin`, and their tokenizers. Format "version 0": seven int32 (width, hidden,
 * layers, heads, key heads, vocabulary, positions), then float32 weights in a fixed order; a negative vocabulary says that
 * the head has weights of its own. Source: https://github.com/karpathy/llama2.c (model.py, export.py, run.c).
 */
import { dirname, join, readdir, readFile, stat } from "#platform";
import { flatten, key, type Tensor, tensor } from "../../array/index.ts";
import { fileError } from "../../data/index.ts";
import { loadTokenizer, type Tokenizer, type TokenizerFile } from "../tokenizer/index.ts";
import { type DecoderConfig, type DecoderParams, decoder } from "../transformer/decoder.ts";
import { fromStored } from "./architecture.ts";
import type { Pretrained } from "./pretrained.ts";

/** Bytes of the seven numbers. */
const HEADER = 28;

/**
 * Loads a checkpoint of llama2.c and, if one file `tok*.bin` lies beside it, its tokenizer. Throws one sentence if the file
 * is missing, or if its size is not the one that its numbers ask for.
 */
export async function loadLlama2c(path: string): Promise<Pretrained> {
  const bytes = await readBytes(path);
  if (bytes.length < HEADER) throw new Error(`read ${path}: it is too short for a checkpoint of llama2.c`);
  const header = new Int32Array(bytes.buffer, bytes.byteOffset, 7);
  const [width, hidden, layers, heads, kvHeads, signed, context] = header as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const vocabulary = Math.abs(signed);
  const tied = signed > 0;
  const tables = order({ width, hidden, layers, heads, kvHeads, vocabulary, context, tied });
  const total = tables.reduce((sum, { rows, columns, times }) => sum + rows * columns * times, 0);
  const isSane =
    [width, hidden, layers, heads, kvHeads, vocabulary, context].every((n) => n > 0) && width % heads === 0;
  if (!isSane || HEADER + 4 * total !== bytes.length)
    throw new Error(
      `read ${path}: its ${bytes.length} bytes are not those of a checkpoint of llama2.c with the numbers ${[...header].join(", ")} at its beginning`,
    );
  const config: DecoderConfig = {
    vocabulary,
    context,
    width,
    norm: "rms",
    tied,
    rotary: { pairs: "neighbours" },
    blocks: Array.from({ length: layers }, () => [
      { mixer: { kind: "attention", heads, kvHeads, bias: false } },
      { ffn: { kind: "gated", hidden } },
    ]),
  };
  const model = decoder(config);
  const weights = new Float32Array(bytes.buffer, bytes.byteOffset + HEADER, total);
  return { model, params: await place(model.init(key(0)), tables, weights), tokenizer: await tokenizerBeside(path) };
}

interface Table {
  /** Our path; `*` stands for the number of the block. Null for what is computed here. */
  readonly path: string | null;
  readonly rows: number;
  readonly columns: number;
  readonly times: number;
}

interface Sizes {
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly tied: boolean;
}

/** The tables of weights in the order of the file; matrices are `[outputs, inputs]`. */
function order({ width, hidden, layers, heads, kvHeads, vocabulary, context, tied }: Sizes): readonly Table[] {
  const one = (path: string | null, rows: number, columns: number, times = 1): Table => ({
    path,
    rows,
    columns,
    times,
  });
  const each = (path: string, rows: number, columns: number): Table => one(`blocks.*.${path}`, rows, columns, layers);
  const kvWidth = (width * kvHeads) / heads;
  return [
    one("embedding.weight", vocabulary, width),
    each("mixer.norm.scale", 1, width),
    each("mixer.layer.query.weight", width, width),
    each("mixer.layer.key.weight", kvWidth, width),
    each("mixer.layer.value.weight", kvWidth, width),
    each("mixer.layer.output.weight", width, width),
    each("ffn.norm.scale", 1, width),
    each("ffn.layer.gate.weight", hidden, width),
    each("ffn.layer.down.weight", width, hidden),
    each("ffn.layer.up.weight", hidden, width),
    one("norm.scale", 1, width),
    // Cosines and sines of the rotations.
    one(null, context, width / heads / 2, 2),
    ...(tied ? [] : [one("head.weight", vocabulary, width)]),
  ];
}

async function place(like: DecoderParams, tables: readonly Table[], weights: Float32Array): Promise<DecoderParams> {
  const { leaves, paths, rebuild } = flatten(like);
  const shapes = new Map(paths.map((path, i) => [path, (leaves[i] as Tensor).shape]));
  const found = new Map<string, Tensor>();
  let at = 0;
  for (const { path, rows, columns, times } of tables)
    for (let i = 0; i < times; i++) {
      const own = weights.subarray(at, at + rows * columns);
      at += own.length;
      if (path === null) continue;
      const name = path.replace("*", String(i));
      const shape = shapes.get(name) as readonly number[];
      const [values] = await fromStored(
        { name, paths: [name], transposed: shape.length === 2 && name !== "embedding.weight" },
        async (target: Float32Array, from) => target.set(own.subarray(from, from + target.length)),
        [shape],
        (length) => new Float32Array(length),
      );
      found.set(name, tensor(values as Float32Array, { shape }));
    }
  return rebuild(paths.map((path) => found.get(path) as Tensor));
}

async function tokenizerBeside(path: string): Promise<Tokenizer | null> {
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) => /^tok.*\.bin$/.test(name));
  return names.length === 1 ? loadTokenizer(await llama2cTokenizer(join(folder, names[0] as string))) : null;
}

/**
 * A tokenizer of llama2.c (int32 longest piece, then for each piece a float32 score, its int32 length and its bytes) as the
 * content of a `tokenizer.json`. The pair of neighbours whose union has the highest score is merged first; bytes that no
 * piece has become pieces of a byte. Throws one sentence if the file is damaged.
 */
export async function llama2cTokenizer(path: string): Promise<TokenizerFile> {
  const bytes = await readBytes(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pieces: { readonly text: string; readonly score: number }[] = [];
  for (let at = 4; at < bytes.length; ) {
    const length = at + 8 <= bytes.length ? view.getInt32(at + 4, true) : -1;
    if (length < 0 || at + 8 + length > bytes.length)
      throw new Error(`read ${path}: it is cut short; is it a tokenizer of llama2.c?`);
    const text = new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length));
    pieces.push({ text, score: view.getFloat32(at, true) });
    at += 8 + length;
  }
  // The first three are the unknown, the beginning and the end; then follow the bytes.
  const names = pieces.map(({ text }, i) =>
    i < 3 ? (["<unk>", "<s>", "</s>"][i] as string) : text.replaceAll(" ", "▁"),
  );
  const vocab: Record<string, number> = Object.create(null);
  // Of two pieces with one text, the first is found.
  names.forEach((name, i) => {
    vocab[name] ??= i;
  });
  const ranked = pieces.map(({ score }, i) => ({ score, name: names[i] as string })).slice(259);
  ranked.sort((a, b) => b.score - a.score);
  const merges = ranked.flatMap(({ name }) => {
    const characters = [...name];
    return characters.slice(1).flatMap((_, i): [string, string][] => {
      const [left, right] = [characters.slice(0, i + 1).join(""), characters.slice(i + 1).join("")];
      return left in vocab && right in vocab ? [[left, right]] : [];
    });
  });
  return {
    added_tokens: [0, 1, 2].map((id) => ({ id, content: names[id] as string, special: true })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      vocab: { ...vocab },
      merges,
      ...{ unk_token: "<unk>", byte_fallback: true, fuse_unk: true },
    },
  };
}

async function readBytes(path: string): Promise<Uint8Array> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  if (!info.isFile()) throw new Error(`read ${path}: it is a folder, not a checkpoint of llama2.c`);
  return Uint8Array.from(await readFile(path));
}
