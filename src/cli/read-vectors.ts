/** Vectors of a user's file: .npy, .safetensors, or JSON a line. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { type Tensor, tensor } from "../array/index.ts";
import { fileError, parseNpy } from "../data/index.ts";
import { openSafetensors } from "../models/index.ts";

export interface ReadVectorsOptions {
  /** Which tensor of a .safetensors file; needed where it has several matrices. */
  readonly tensor?: string;
  /** Which field of an object in a line of .jsonl; `embedding` by default. */
  readonly field?: string;
}

/**
 * Vectors `[count, width]` of a file, as float32. Throws one sentence if there are none, or if one of them is all zeros or
 * holds NaN or infinity, which has no cosine.
 */
export async function readVectors(path: string, options: ReadVectorsOptions = {}): Promise<Tensor> {
  const kind = /\.(npy|safetensors|jsonl|ndjson)$/i.exec(path)?.[1]?.toLowerCase();
  if (kind === undefined) throw new Error(`read ${path}: expected a file that ends with .npy, .safetensors or .jsonl`);
  const read = kind === "npy" ? fromNpy : kind === "safetensors" ? fromSafetensors : fromJsonLines;
  const vectors = await read(path, options);
  checkRows(path, vectors);
  return vectors;
}

function checkRows(path: string, vectors: Tensor): void {
  const [count, width] = vectors.shape as [number, number];
  if (count < 1 || width < 1) throw new Error(`read ${path}: there are no vectors, its shape is [${count}, ${width}]`);
  const data = vectors.data as Float32Array;
  for (let row = 0; row < count; row++) {
    let squares = 0;
    for (let i = row * width; i < (row + 1) * width; i++) squares += (data[i] as number) ** 2;
    if (!(squares > 0 && Number.isFinite(squares)))
      throw new Error(
        `read ${path}: row ${row} ${squares === 0 ? "is all zeros" : "holds NaN or infinity"}, so it has no cosine; leave it out`,
      );
  }
}

async function fromNpy(path: string): Promise<Tensor> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  const { shape, data } = parseNpy(bytes, path);
  if (shape.length !== 2)
    throw new Error(`read ${path}: expected a matrix, a vector in each row, got [${shape.join(", ")}]`);
  return tensor(data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number), {
    shape,
  });
}

async function fromSafetensors(path: string, { tensor: asked }: ReadVectorsOptions): Promise<Tensor> {
  const file = await openSafetensors(path);
  try {
    const matrices = [...file.entries].filter(([, { shape }]) => shape.length === 2).map(([name]) => name);
    const names = matrices.length > 0 ? matrices.slice(0, 10).join(", ") : "none";
    if (asked !== undefined && !matrices.includes(asked))
      throw new Error(`read ${path}: there is no matrix ${JSON.stringify(asked)}; there are ${names}`);
    if (asked === undefined && matrices.length !== 1)
      throw new Error(`read ${path}: expected one matrix, or --tensor with the name of one; there are ${names}`);
    const { shape, data } = await file.read(asked ?? (matrices[0] as string), { as: "float32" });
    return tensor(data, { shape });
  } finally {
    await file.close();
  }
}

/** A line holds an array of numbers, or an object with such a field. */
async function fromJsonLines(path: string, { field = "embedding" }: ReadVectorsOptions): Promise<Tensor> {
  const rows: Float32Array[] = [];
  const input = createReadStream(path, "utf8");
  const opened = new Promise<never>((_, fail) => input.once("error", (error) => fail(fileError("read", path, error))));
  const lines = async (): Promise<void> => {
    let line = 0;
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() === "") continue;
      rows.push(vectorOf(text, field, `${path}, line ${line}`));
      if (rows.at(-1)?.length !== rows[0]?.length)
        throw new Error(
          `read ${path}, line ${line}: ${rows.at(-1)?.length} numbers, the first vector has ${rows[0]?.length}`,
        );
    }
  };
  await Promise.race([lines(), opened]);
  const width = rows[0]?.length ?? 0;
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    data.set(row, i * width);
  });
  return tensor(data, { shape: [rows.length, width] });
}

function vectorOf(text: string, field: string, where: string): Float32Array {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`read ${where}: not JSON`);
  }
  const numbers = Array.isArray(value) ? value : (value as Readonly<Record<string, unknown>> | null)?.[field];
  if (!Array.isArray(numbers) || !numbers.every((v) => typeof v === "number"))
    throw new Error(
      `read ${where}: expected an array of numbers, or an object with one in the field ${JSON.stringify(field)} (--field names another)`,
    );
  return Float32Array.from(numbers);
}
