/** What a runtime is to the array language: something that turns a model file into a function of host arrays. */
import type { HostArray } from "../dtype.ts";
import type { Resident, TensorType } from "../tensor.ts";

/** A tensor at the boundary of a runtime. */
export interface Value extends TensorType {
  readonly data: HostArray | Resident;
}

/** Where graphs run. */
export const devices = ["cpu", "webgpu", "cuda"] as const;
export type Device = (typeof devices)[number];

export interface SessionOptions {
  /** `cpu` by default. */
  readonly device: Device;
  /** Threads for one operation; by default as many as the machine has cores. */
  readonly threads?: number;
  /** The model computes in float64: what would round it to float32 on the way is left out. False by default. */
  readonly double?: boolean;
  /** The model runs once, so that nothing is worth being computed when it is loaded. False by default. */
  readonly once?: boolean;
  /**
   * The model depends on nothing, and its digits are not to depend on the number of threads: it has one, where sessions
   * can differ in that. False by default.
   */
  readonly alone?: boolean;
  /** Outputs that stay in the device's memory, where it has memory of its own; none by default. */
  readonly resident?: readonly string[];
  /** Operators that the CPU computes on every device, by name; none by default. */
  readonly onHost?: readonly string[];
  /** Operators that need float16: the CPU computes them where the device does not have it. None by default. */
  readonly halves?: readonly string[];
  /** Measure how long each operator takes, for `Session.kernels`. False by default. */
  readonly profile?: boolean;
}

/** What one operator of a model took. */
export interface Kernel {
  /** Of the operator in the model; one that the runtime made of several begins with the name of one of them. */
  readonly name: string;
  /** The kind of operator. */
  readonly operator: string;
  readonly calls: number;
  /** Of the operator itself, without those in its bodies. */
  readonly seconds: number;
  /** Bytes of its operands and results, over all calls. */
  readonly bytes: number;
}

/** What a session's runs took, as far as they were recorded. */
export interface KernelTimes {
  readonly kernels: readonly Kernel[];
  /** Runs that were recorded, and their seconds. */
  readonly recorded: { readonly runs: number; readonly seconds: number };
  /** All runs. */
  readonly all: { readonly runs: number; readonly seconds: number };
}

/** A loaded model. Runs of one session follow each other; a second call waits for the first. */
export interface Session {
  run(inputs: ReadonlyMap<string, Value>): Promise<ReadonlyMap<string, Value>>;
  release(): Promise<void>;
  /** Ends the measurement that `profile` asked for and gives its result; also after the release. */
  kernels(): Promise<KernelTimes>;
}

/** Whether a device has memory of its own, in which values can stay between runs. */
export const hasOwnMemory = (device: Device): boolean => device === "webgpu";

export interface Runtime {
  readonly name: string;
  load(model: Uint8Array, options: SessionOptions): Promise<Session>;
}

/** Throws unless `device` is known. */
export function checkDevice(device: string): Device {
  if ((devices as readonly string[]).includes(device)) return device as Device;
  throw new RangeError(`device: expected one of ${devices.join(", ")}, got "${device}"`);
}
