/** Sessions of ONNX Runtime, whose Node and browser packages share one interface. */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import type { DType, HostArray } from "../dtype.ts";
import { isResident, type Resident } from "../tensor.ts";
import type { Kernel, KernelTimes, Session, SessionOptions, Value } from "./runtime.ts";

/** The part of `onnxruntime-node` and `onnxruntime-web` that is used. */
export interface OrtPackage {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: TensorConstructor;
}

/** How operators are measured: options that make the runtime do so, and how to read the result once it has ended. */
export interface Profiling {
  readonly options: InferenceSession.SessionOptions;
  read(): Promise<readonly Kernel[]>;
}

/** Traces grow by a kilobyte for each operator that runs, so only so many seconds of runs are recorded. */
const RECORDED_SECONDS = 3;

/** Entries of the configuration that leave out passes of the runtime's optimizer that would harm a model. */
export function withoutHarmfulPasses({ double, once }: Pick<SessionOptions, "double" | "once">): {
  readonly optimization?: { readonly disable_specified_optimizers: string };
} {
  const passes = [
    // It joins a product and a factor to one operator whose factor is a float32, whatever the type of the product.
    ...(double ? ["MatMulScaleFusion"] : []),
    // What depends on no input it computes while it loads, in one thread, and keeps all that it met on the way.
    ...(once ? ["ConstantFolding"] : []),
  ];
  return passes.length > 0 ? { optimization: { disable_specified_optimizers: passes.join(";") } } : {};
}

/** The runtime prints nothing below this level: its errors are thrown, and printing them too would say things twice. */
export const FATAL = 4;

/** Loads a model and wraps it so that runs follow each other and tensors come back as host arrays. */
export async function openSession(
  ort: OrtPackage,
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
  {
    profiling,
    run: runOptions,
  }: { readonly profiling?: Profiling | undefined; readonly run?: InferenceSession.RunOptions } = {},
): Promise<Session> {
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: "all",
    logSeverityLevel: FATAL,
    ...options,
    ...profiling?.options,
  });
  const all = { runs: 0, seconds: 0 };
  let times: Promise<KernelTimes> | undefined;
  const endProfiling = (): Promise<KernelTimes> => {
    if (!profiling) return Promise.reject(new Error("kernels: this session was loaded without profile"));
    if (!times) {
      const recorded = { ...all };
      session.endProfiling();
      times = profiling.read().then((kernels) => ({ kernels, recorded, all }));
      times.catch(() => undefined);
    }
    return times;
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(inputs) {
      // Two runs at once on one session take longer than one after the other.
      const run = last.then(async () => {
        const started = performance.now();
        const outputs = await runOnce(ort, session, inputs, runOptions);
        all.runs++;
        all.seconds += (performance.now() - started) / 1000;
        if (profiling && all.seconds >= RECORDED_SECONDS) endProfiling();
        return outputs;
      });
      last = run.catch(() => undefined);
      return run;
    },
    release: async () => {
      await last;
      if (profiling) await endProfiling();
      await session.release();
    },
    kernels: async () => {
      await last;
      return endProfiling();
    },
  };
}

/**
 * The runtime's message without what only its authors can read: node names, status codes, source lines, signatures.
 * What is left is e.g. `Gather: indices element out of data bounds`.
 */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const found = /.*while running (\w+) node\..*?Status Message: (.*)/s.exec(text);
  const status = (found?.[2] ?? text)
    .replace(/^\S+\.(cc|h):\d+ /, "")
    .replace(/^.* was false\. /s, "")
    .replace(/^.*\)( \[with [^\]]*\])? (?=\w)/, "")
    .trim()
    .replace(/\s*\n\s*/g, " ");
  return found ? `${found[1]}: ${status}` : status;
}

async function runOnce(
  ort: OrtPackage,
  session: InferenceSession,
  inputs: ReadonlyMap<string, Value>,
  options?: InferenceSession.RunOptions,
): Promise<Map<string, Value>> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, { dtype, shape, data }] of inputs) {
    feeds[name] = isResident(data)
      ? (data as DeviceValues).tensor
      : new (ort.Tensor as new (type: DType, data: HostArray, dims: readonly number[]) => OrtTensor)(
          dtype,
          data,
          shape,
        );
  }
  const results = await (options ? session.run(feeds, options) : session.run(feeds)).catch((error: unknown) => {
    throw new Error(`run: ${reasonOf(error)}`, { cause: error });
  });
  const outputs = new Map<string, Value>();
  for (const name of session.outputNames) {
    const result = results[name] as OrtTensor;
    const { type, dims } = result;
    if (result.location === "gpu-buffer") {
      outputs.set(name, { dtype: type as DType, shape: dims, data: new DeviceValues(result) });
      continue;
    }
    const { data } = result;
    outputs.set(name, {
      dtype: type as DType,
      shape: dims,
      data: type === "float16" ? bitsOf(data as Uint16Array) : (data as HostArray),
    });
  }
  return outputs;
}

/** Values that the runtime holds in the memory of a GPU. */
class DeviceValues implements Resident {
  readonly tensor: OrtTensor;

  constructor(tensor: OrtTensor) {
    this.tensor = tensor;
  }

  async fetch(): Promise<HostArray> {
    const data = await this.tensor.getData();
    return this.tensor.type === "float16" ? bitsOf(data as Uint16Array) : (data as HostArray);
  }

  release(): void {
    this.tensor.dispose();
  }
}

/** Halves as their bits: where the platform has arrays of halves, the runtime gives those. */
const bitsOf = ({ buffer, byteOffset, length }: Uint16Array): Uint16Array =>
  new Uint16Array(buffer, byteOffset, length);
