/** ONNX Runtime in a browser: WebAssembly, in threads where the page is isolated, and WebGPU. */
import type { InferenceSession, env as ortEnv } from "onnxruntime-common";
import type { Device, Runtime } from "./runtime.ts";
import {
  FATAL,
  gpuProvider,
  type InTurn,
  type OrtPackage,
  openSession,
  reasonOf,
  stayingOnGpu,
  withoutHarmfulPasses,
} from "./session.ts";

type WebPackage = OrtPackage & { readonly env: typeof ortEnv };

/**
 * The runtime for pages and their workers; its code and its WebAssembly are loaded at first use. In a page's own thread
 * a run stops everything else, so work belongs in a worker.
 */
export const runtime: Runtime = {
  name: "onnxruntime-web",
  async load(model, { device, threads, resident = [], profile = false, ...kind }) {
    if (profile) throw new Error("profile: browsers cannot measure operators; take the profile in Node");
    const gpu = device === "webgpu" ? gpuProvider((await checkGpu()).features.has("shader-f16"), kind) : undefined;
    const { ort, threads: started, inTurn } = await packageFor(device, threads);
    if (threads !== undefined && threads !== started)
      throw new RangeError(
        `threads: a page starts its threads once, and has started ${started}; ask for ${threads} before the first graph runs`,
      );
    const options: InferenceSession.SessionOptions = {
      executionProviders: gpu ? [gpu, "wasm"] : ["wasm"],
      extra: withoutHarmfulPasses(kind),
      ...(gpu ? { preferredOutputLocation: stayingOnGpu(resident) } : {}),
    };
    try {
      // Unlike in Node, a run has a level of its own.
      return await openSession(ort, model, options, {
        device: gpu || device !== "webgpu" ? device : "cpu",
        run: { logSeverityLevel: FATAL },
        inTurn,
      });
    } catch (error) {
      if (device === "cpu") throw error;
      throw new Error(`device: "webgpu" could not be started in this browser (${reasonOf(error)}); use cpu`, {
        cause: error,
      });
    }
  },
};

let base: string | undefined;

/**
 * Where the runtime's `.wasm` files lie: the address of a folder with those of `onnxruntime-web/dist`, relative to the
 * page. Not needed where a bundler copies them (Vite does), nor where the package is served as it is, since they are
 * looked for beside its code. Throws once the runtime has been loaded.
 */
export function setWasmFolder(address: string): void {
  if (started.size > 0)
    throw new Error("setWasmFolder: the runtime has been loaded already; call it before any graph runs");
  base = new URL(address.endsWith("/") ? address : `${address}/`, globalThis.location?.href).href;
}

interface Started {
  readonly ort: WebPackage;
  readonly threads: number;
  readonly inTurn: InTurn;
}

/** One instance for each kind of device: that for WebGPU is larger. */
const started = new Map<Device, Promise<Started>>();

function packageFor(device: Device, threads: number | undefined): Promise<Started> {
  let ready = started.get(device);
  if (!ready) {
    ready = start(device, threads);
    started.set(device, ready);
    ready.catch(() => started.delete(device));
  }
  return ready;
}

async function start(device: Device, asked: number | undefined): Promise<Started> {
  if (device === "cuda") throw new Error('device: "cuda" is not there in browsers; use cpu or webgpu');
  const threads = threadsFor(asked);
  const loaded = device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  const ort = loaded as unknown as WebPackage;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "fatal";
  if (base !== undefined) ort.env.wasm.wasmPaths = base;
  return { ort, threads, inTurn: queue() };
}

/**
 * One call after the other. The runtime keeps its arguments on the stack of its WebAssembly while it waits in between,
 * and gives back all of the stack that was taken since a call began: of two calls that overlap, one would find what others
 * have written there, and fail with "unaligned accesses" or worse.
 */
function queue(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** Threads share memory, which browsers allow only to pages that are isolated from others. */
function threadsFor(asked: number | undefined): number {
  if (globalThis.crossOriginIsolated) return asked ?? navigator.hardwareConcurrency;
  if (asked === undefined || asked === 1) return 1;
  throw new Error(
    `threads: ${asked} need a page that is isolated (served with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp); without, a graph runs in one`,
  );
}

interface Adapter {
  readonly features: { has(name: string): boolean };
}

async function checkGpu(): Promise<Adapter> {
  const { gpu } = navigator as Navigator & { readonly gpu?: { requestAdapter(): Promise<Adapter | null> } };
  const adapter = gpu && (await gpu.requestAdapter());
  if (!adapter)
    throw new Error('device: "webgpu" is not there: this browser has no WebGPU or no adapter for it; use cpu');
  return adapter;
}
