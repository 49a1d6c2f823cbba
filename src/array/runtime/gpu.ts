/** WebGPU in Node: whether a driver is there, and how values come out of its memory. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import type { DType } from "../dtype.ts";
import { encodeModel } from "../onnx/proto.ts";
import { type Copier, FATAL, type OrtPackage, reasonOf } from "./session.ts";

/** What a device can do. */
export interface Gpu {
  /** It computes in float16. */
  readonly halves: boolean;
}

/**
 * Starts the provider, keeps a result in its memory and takes it out again; then the same in float16. It runs in a
 * process of its own: some drivers end the process in which they fail.
 */
const PROBE = `
const { InferenceSession, Tensor } = require(process.argv[1]);
const [, , whole, half] = process.argv;
const open = (model, location) => InferenceSession.create(Buffer.from(model, "base64"), {
  executionProviders: ["webgpu"], logSeverityLevel: ${FATAL}, preferredOutputLocation: { y: location },
});
const twice = async (model, type, data) => {
  const { y } = await (await open(model, "gpu-buffer")).run({ x: new Tensor(type, data, [1]) });
  return (await (await open(model, "cpu")).run({ x: y })).y.data;
};
(async () => {
  const [four] = await twice(whole, "float32", Float32Array.of(1));
  if (four !== 4) throw new Error("it computed " + four + " where 4 was expected");
  const halves = await twice(half, "float16", Uint16Array.of(0x3c00)).then(() => true, () => false);
  return { halves };
})().catch(({ message }) => ({ error: message })).then((found) => {
  require("node:fs").writeSync(1, JSON.stringify(found));
  process.exit(0);
});`;

const PROBE_MS = 60_000;

const addition = (dtype: DType): string =>
  Buffer.from(
    encodeModel({
      name: "probe",
      nodes: [{ op: "Add", domain: "", inputs: ["x", "x"], outputs: ["y"], attributes: [] }],
      initializers: [],
      inputs: [{ name: "x", dtype, shape: [1] }],
      outputs: [{ name: "y", dtype, shape: [1] }],
    }),
  ).toString("base64");

let found: Promise<Gpu> | undefined;

/** The device of this machine. Rejects with one sentence that says what was looked for where there is none that works. */
export function findGpu(): Promise<Gpu> {
  found ??= probe();
  return found;
}

function probe(): Promise<Gpu> {
  const path = createRequire(import.meta.url).resolve("onnxruntime-node");
  const args = ["--input-type=commonjs", "-e", PROBE, path, addition("float32"), addition("float16")];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: PROBE_MS, killSignal: "SIGKILL" }, (ended, printed, complaints) => {
      const answer = readAnswer(printed);
      if (answer && "halves" in answer) return resolve(answer);
      const why = answer
        ? reasonOf(new Error(answer.error))
        : ended?.killed
          ? `it did not answer within ${PROBE_MS / 1000} seconds`
          : `its driver ends the process${ended?.signal ? ` with ${ended.signal}` : ""}`;
      const reasons = [...new Set([why, ...warnings(complaints)])].join("; ");
      reject(
        new Error(
          `device: "webgpu" could not be started on this machine (${reasons}); looked for ${lookedFor()}; use --device cpu`,
        ),
      );
    });
  });
}

function readAnswer(text: string): Gpu | { readonly error: string } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the provider had to say about drivers, without places in its source. */
const warnings = (text: string): string[] =>
  [...text.matchAll(/^Warning: (.*)$/gm)].map(([, warning]) => (warning as string).trim());

function lookedFor(): string {
  if (process.platform === "darwin") return "a device of Metal";
  if (process.platform === "win32") return "a device of Direct3D 12";
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES } = process.env;
  const named = VK_DRIVER_FILES
    ? `VK_DRIVER_FILES names (${VK_DRIVER_FILES})`
    : VK_ICD_FILENAMES
      ? `VK_ICD_FILENAMES names (${VK_ICD_FILENAMES})`
      : "the system has in vulkan/icd.d (VK_DRIVER_FILES names others)";
  return `Vulkan: the loader libvulkan.so.1 on the library path, and a driver among those that ${named}`;
}

let copier: Promise<Copier> | undefined;

/**
 * The runtime ends the process when it is asked for the values of a tensor of the device, so they come out as the result
 * of a model that passes them on. The first such model is never released: with its last session the provider would give
 * up the device, and tensors that are still there would end the process, too.
 */
export function copierOf(ort: OrtPackage, options: InferenceSession.SessionOptions): Promise<Copier> {
  copier ??= startCopier(ort, { ...options, logSeverityLevel: FATAL });
  return copier;
}

async function startCopier(ort: OrtPackage, options: InferenceSession.SessionOptions): Promise<Copier> {
  const sessions = new Map<DType, Promise<InferenceSession>>();
  const sessionFor = (dtype: DType): Promise<InferenceSession> => {
    const session = sessions.get(dtype) ?? ort.InferenceSession.create(passing(dtype), options);
    sessions.set(dtype, session);
    return session;
  };
  await sessionFor("float32");
  return async (tensor) => {
    const session = await sessionFor(tensor.type as DType);
    const { y } = await session.run({ x: tensor });
    return (y as OrtTensor).data;
  };
}

const passing = (dtype: DType): Uint8Array =>
  encodeModel({
    name: "copy",
    nodes: [{ op: "Identity", domain: "", inputs: ["x"], outputs: ["y"], attributes: [] }],
    initializers: [],
    inputs: [{ name: "x", dtype }],
    outputs: [{ name: "y", dtype }],
  });
