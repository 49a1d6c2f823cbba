/** `fourward export` */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile, evaluate, flatten, key, normal, type Tensor, tensor } from "../array/index.ts";
import { runtime } from "../array/runtime/node.ts";
import { writeFileAtomic } from "../data/index.ts";
import { decoderOnnx, decoderStepOnnx, loadPretrained, loadVision, visionOnnx } from "../models/index.ts";
import { foundModel } from "./find-model.ts";

export interface ExportFlags {
  readonly onnx: string;
  readonly batch: number;
  readonly time?: number;
  readonly cache?: number;
  readonly half?: boolean;
  readonly json?: boolean;
}

/** Writes a model as ONNX, and says how far the file's logits are from the model's here. */
export async function exportModel(given: string, flags: ExportFlags): Promise<void> {
  const folder = await foundModel(given);
  const { bytes, kind, inputs, expected } = await exported(folder, flags);
  await writeFileAtomic(flags.onnx, bytes);
  const session = await runtime.load(await readFile(flags.onnx), { device: "cpu" });
  const outputs = await session.run(inputs).finally(() => session.release());
  const found = outputs.get("logits")?.data as Float32Array;
  const wanted = (await expected()).data as Float32Array;
  const difference = found.reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] as number))), 0);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!(difference <= 1e-3 * Math.max(1, largest)))
    throw new Error(`export ${flags.onnx}: the file's logits differ by ${difference} from the model's; report this`);
  const result = {
    model: given,
    file: flags.onnx,
    kind,
    bytes: bytes.length,
    inputs: Object.fromEntries([...inputs].map(([name, { shape, dtype }]) => [name, `${dtype} [${shape.join(", ")}]`])),
    outputs: Object.fromEntries(
      [...outputs].map(([name, { shape, dtype }]) => [name, `${dtype} [${shape.join(", ")}]`]),
    ),
    difference,
  };
  process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : resultText(result));
}

interface Exported {
  readonly bytes: Uint8Array;
  readonly kind: string;
  /** Inputs for a check, and the logits that the model here gives for them. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  expected(): Promise<Tensor>;
}

async function exported(folder: string, { batch, time, cache, half = false }: ExportFlags): Promise<Exported> {
  if (await isVision(folder)) {
    if (time !== undefined || cache !== undefined)
      throw new Error("export: --time and --cache are for language models; this one sees images");
    const { model, params } = await loadVision(folder);
    const images = await evaluate(normal(key(0), [batch, model.config.channels, ...model.config.image]));
    return {
      bytes: visionOnnx(model, params, { batch }),
      kind: "images to logits of classes",
      inputs: new Map([["images", images]]),
      expected: () => compile(model.apply)(params, images),
    };
  }
  const { model, params } = await loadPretrained(folder, { keepHalf: half });
  const { context, vocabulary } = model.config;
  const length = cache ?? time ?? Math.min(context, 1024);
  if (length > context) throw new Error(`export: the model has ${context} positions, ${length} were asked for`);
  const draw = (shape: readonly number[]): Tensor =>
    tensor(
      Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 7919) % vocabulary),
      { shape },
    );
  if (cache === undefined) {
    const tokens = draw([batch, length]);
    return {
      bytes: decoderOnnx(model, params, { batch, time: length }),
      kind: "tokens to logits",
      inputs: new Map([["tokens", tokens]]),
      expected: () => compile(model.apply)(params, tokens),
    };
  }
  const tokens = draw([batch, 1]);
  const empty = flatten(await evaluate(model.cache({ batch, length })));
  const seen = tensor(new Int32Array(batch));
  return {
    bytes: decoderStepOnnx(model, params, { batch, length }),
    kind: "a step of generation with caches",
    inputs: new Map([
      ["tokens", tokens],
      ["seen", seen],
      ...empty.paths.map((path, i) => [`cache.${path}`, empty.leaves[i] as Tensor] as const),
    ]),
    expected: () => compile(model.apply)(params, tokens),
  };
}

/** Whether a folder's configuration is one of those that `loadVision` knows. */
async function isVision(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, "config.json"), "utf8").catch(() => "");
  return /"model_type"\s*:\s*"(vit|deit)"/.test(text);
}

const resultText = (result: {
  readonly file: string;
  readonly kind: string;
  readonly bytes: number;
  readonly inputs: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly difference: number;
}): string => {
  const list = (what: string, values: { readonly [name: string]: string }): string => {
    const all = Object.entries(values).map(([name, type]) => `${name}: ${type}`);
    return `${what} ${all.slice(0, 4).join("; ")}${all.length > 4 ? `; and ${all.length - 4} more` : ""}`;
  };
  return [
    `${result.file}  ${(result.bytes / 1e6).toFixed(1)} MB, ${result.kind}, opset 21`,
    list("inputs ", result.inputs),
    list("outputs", result.outputs),
    `checked  its logits differ by at most ${result.difference.toExponential(1)} from the model's`,
    "",
  ].join("\n");
};
