/** The part of the browser's `Worker` that jax-js needs for its threads, on those of Node. */
import { resolveObjectURL } from "node:buffer";
import { Worker as NodeWorker } from "node:worker_threads";

/** Runs the first message as a script; the others reach its `onmessage`. */
const BOOT = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.once("message", (script) => {
  (0, eval)(script);
  parentPort.on("message", (data) => self.onmessage({ data }));
});`;

class WebWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onerror: ((event: { readonly message: string }) => void) | null = null;
  readonly #worker = new NodeWorker(BOOT, { eval: true });
  readonly #started: Promise<void>;

  constructor(url: string) {
    this.#worker.on("message", (data: unknown) => this.onmessage?.({ data }));
    this.#worker.on("error", ({ message }: Error) => this.onerror?.({ message }));
    const script = resolveObjectURL(url)?.text();
    if (!script) throw new Error(`Worker: no script at ${url}`);
    this.#started = script.then((text) => this.#worker.postMessage(text));
  }

  postMessage(message: unknown): void {
    void this.#started.then(() => this.#worker.postMessage(message));
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

/** Makes `Worker` and the number of cores known to libraries that look for a browser's. */
export function provideWebWorkers(threads: number): void {
  Object.assign(globalThis, { Worker: WebWorker });
  Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: threads }, configurable: true });
}
