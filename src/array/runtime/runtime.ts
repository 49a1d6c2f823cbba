/** What a runtime is to the array language: something that turns a model file into a function of host arrays. */
import type { HostArray } from "../dtype.ts";
import type { TensorType } from "../tensor.ts";

/** A tensor at the boundary of a runtime. */
export interface Value extends TensorType {
  readonly data: HostArray;
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
}

/** A loaded model. Runs of one session follow each other; a second call waits for the first. */
export interface Session {
  run(inputs: ReadonlyMap<string, Value>): Promise<ReadonlyMap<string, Value>>;
  release(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  load(model: Uint8Array, options: SessionOptions): Promise<Session>;
}

/** Throws unless `device` is known. */
export function checkDevice(device: string): Device {
  if ((devices as readonly string[]).includes(device)) return device as Device;
  throw new RangeError(`device: expected one of ${devices.join(", ")}, got "${device}"`);
}
