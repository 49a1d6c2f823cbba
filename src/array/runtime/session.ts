/** Sessions of ONNX Runtime, whose Node and browser packages share one interface. */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import type { DType, HostArray } from "../dtype.ts";
import { isResident, type Resident } from "../tensor.ts";
import type { Device, Kernel, KernelTimes, Session, SessionOptions, Value } from "./runtime.ts";

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

/** The places of a model's outputs, of which these stay in the memory of the GPU. */
export const stayingOnGpu = (resident: readonly string[]): { readonly [output: string]: "gpu-buffer" } =>
  Object.fromEntries(resident.map((name) => [name, "gpu-buffer" as const]));

/** The runtime takes no longer list of names than this, in characters. */
const LONGEST_LIST = 8192;

/**
 * The provider of WebGPU; operators that it does not have, and those named, are computed by the CPU. Undefined if the
 * names are more than the runtime takes: then all of the model belongs on the CPU.
 */
export const gpuProvider = (
  hasHalves: boolean,
  { onHost = [], halves = [] }: Pick<SessionOptions, "onHost" | "halves">,
): InferenceSession.WebGpuExecutionProviderOption | undefined => {
  const names = hasHalves ? onHost : [...onHost, ...halves];
  // An empty list is refused, too.
  if (names.length === 0) return { name: "webgpu" };
  return names.join("\n").length > LONGEST_LIST ? undefined : { name: "webgpu", forceCpuNodeNames: names };
};

/** Takes the values of a tensor out of a device's memory. */
export type Copier = (tensor: OrtTensor) => Promise<OrtTensor["data"]>;

interface OpenOptions {
  readonly device: Device;
  readonly profiling?: Profiling | undefined;
  readonly run?: InferenceSession.RunOptions | undefined;
  /** Given where the runtime's own way to copy values does not work. */
  readonly copy?: Copier | undefined;
  /** Calls of the runtime go through it, where not even those of different sessions may overlap. */
  readonly inTurn?: InTurn;
}

/** Does some work, once it may begin. */
export type InTurn = <R>(work: () => Promise<R>) => Promise<R>;

/** Loads a model and wraps it so that runs follow each other and tensors come back as host arrays. */
export async function openSession(
  ort: OrtPackage,
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
  { device, profiling, run, copy = (tensor) => tensor.getData(), inTurn = (work) => work() }: OpenOptions,
): Promise<Session> {
  const session = await inTurn(() =>
    ort.InferenceSession.create(model, {
      graphOptimizationLevel: "all",
      logSeverityLevel: FATAL,
      ...options,
      ...profiling?.options,
    }),
  );
  const calls = { device, run, inTurn, copy: (tensor: OrtTensor) => inTurn(() => copy(tensor)) };
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
      const next = last.then(async () => {
        const started = performance.now();
        const outputs = await runOnce(ort, session, inputs, calls);
        all.runs++;
        all.seconds += (performance.now() - started) / 1000;
        if (profiling && all.seconds >= RECORDED_SECONDS) endProfiling();
        return outputs;
      });
      last = next.catch(() => undefined);
      return next;
    },
    release: async () => {
      await last;
      if (profiling) await endProfiling();
      await inTurn(() => session.release());
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
  {
    device,
    run,
    copy,
    inTurn,
  }: Pick<OpenOptions, "device" | "run"> & { readonly copy: Copier; readonly inTurn: InTurn },
): Promise<Map<string, Value>> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, { dtype, shape, data }] of inputs) {
    if (data instanceof DeviceValues && data.device === device) {
      feeds[name] = data.tensor;
      continue;
    }
    const values = isResident(data) ? await data.fetch() : data;
    feeds[name] = new (ort.Tensor as new (type: DType, data: HostArray, dims: readonly number[]) => OrtTensor)(
      dtype,
      values,
      shape,
    );
  }
  const results = await inTurn(() => (run ? session.run(feeds, run) : session.run(feeds))).catch((error: unknown) => {
    throw new Error(`run: ${reasonOf(error)}`, { cause: error });
  });
  const outputs = new Map<string, Value>();
  for (const name of session.outputNames) {
    const result = results[name] as OrtTensor;
    const { type, dims } = result;
    if (result.location === "gpu-buffer") {
      outputs.set(name, { dtype: type as DType, shape: dims, data: new DeviceValues(result, device, copy) });
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
  readonly device: Device;
  #tensor: OrtTensor | undefined;
  readonly #copy: Copier;

  constructor(tensor: OrtTensor, device: Device, copy: Copier) {
    this.#tensor = tensor;
    this.device = device;
    this.#copy = copy;
  }

  get tensor(): OrtTensor {
    if (!this.#tensor) throw new Error("dispose: the values of this tensor of the device have been freed");
    return this.#tensor;
  }

  async fetch(): Promise<HostArray> {
    const { tensor } = this;
    const data = await this.#copy(tensor);
    return tensor.type === "float16" ? bitsOf(data as Uint16Array) : (data as HostArray);
  }

  release(): void {
    this.#tensor?.dispose();
    this.#tensor = undefined;
  }
}

/** Halves as their bits: where the platform has arrays of halves, the runtime gives those. */
const bitsOf = ({ buffer, byteOffset, length }: Uint16Array): Uint16Array =>
  new Uint16Array(buffer, byteOffset, length);
