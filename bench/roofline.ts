/** What the machine can do at most: floating-point operations of matrix products, and bytes copied, a second. */
import { Worker } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { abs, matmul, slice, sum, type Tensor, tensor, toOnnx } from "../src/array/index.ts";
import { median } from "../src/report/index.ts";

/** Rates of all threads together and of one. */
export interface Rates {
  /** Floating-point operations of float32 matrix products a second. */
  readonly gemm: number;
  readonly gemmOneThread: number;
  /** Bytes that copies of memory read and write a second. */
  readonly copy: number;
  readonly copyOneThread: number;
  /** Bytes that are read a second where nothing is written. */
  readonly read: number;
}

/** The medians of several measurements. Throws if there is none. */
export const medianRates = (all: readonly Rates[]): Rates => ({
  gemm: median(all.map(({ gemm }) => gemm)),
  gemmOneThread: median(all.map(({ gemmOneThread }) => gemmOneThread)),
  copy: median(all.map(({ copy }) => copy)),
  copyOneThread: median(all.map(({ copyOneThread }) => copyOneThread)),
  read: median(all.map(({ read }) => read)),
});

/** Measures the rates again and again, as they change with what else the machine does. */
export interface Roofline {
  measure(): Promise<Rates>;
  close(): Promise<void>;
}

/** Extent of the matrices, and products in one graph. */
const SIZE = 1024;
const PRODUCTS = 2;
/** Calls of which the median counts. */
const CALLS = 3;

/** Loads what the measurements need; nothing else of this process may work meanwhile. */
export async function openRoofline(threads: number): Promise<Roofline> {
  const products = [await openProducts(threads), await openProducts(1)] as const;
  const copies = new Copies(threads);
  // Memory is slow at its first touch.
  await copies.rate(threads);
  return {
    async measure() {
      return {
        gemm: await products[0].rate(),
        gemmOneThread: await products[1].rate(),
        copy: await copies.rate(threads),
        copyOneThread: await copies.rate(1),
        read: await copies.rate(threads, "compare"),
      };
    },
    async close() {
      copies.close();
      for (const each of products) await each.close();
    },
  };
}

/** Rate of calls that do so much work each. */
async function rateOf(work: number, call: () => Promise<unknown>): Promise<number> {
  const rates: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const started = performance.now();
    await call();
    rates.push(work / ((performance.now() - started) / 1000));
  }
  return median(rates);
}

/** Products of ONNX Runtime in a row, and one number at the end. */
async function openProducts(threads: number): Promise<{ rate(): Promise<number>; close(): Promise<void> }> {
  const x = tensor(new Float32Array(SIZE * SIZE).fill(1 / SIZE), { shape: [SIZE, SIZE] });
  const all = (a: Tensor): Tensor => {
    const last = Array.from({ length: PRODUCTS }).reduce((h: Tensor) => matmul(h, a), a);
    return sum(abs(slice(last, { starts: [0, 0], stops: [1, SIZE] })));
  };
  const session = await ort.InferenceSession.create(toOnnx(all, [x], { inputNames: ["x"] }), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const feeds = { [session.inputNames[0] as string]: new ort.Tensor("float32", x.data as Float32Array, x.shape) };
  await session.run(feeds);
  return {
    rate: () => rateOf(2 * SIZE ** 3 * PRODUCTS, () => session.run(feeds)),
    close: () => session.release(),
  };
}

/** Copies blocks that no cache holds, or reads two equal ones to their ends to compare them. */
const MOVING = `
const { parentPort, workerData } = require("node:worker_threads");
const from = Buffer.alloc(workerData, 1), to = Buffer.alloc(workerData, 1);
parentPort.on("message", (what) => {
  from[what](to);
  parentPort.postMessage(0);
});`;
/** Bytes of a block; where there are many threads, of all their blocks. */
const [BLOCK, ALL_BLOCKS] = [128 * 2 ** 20, 2 ** 30];

/** Threads that copy and read memory. */
class Copies {
  readonly #block: number;
  readonly #workers: readonly Worker[];

  constructor(threads: number) {
    this.#block = Math.min(BLOCK, ALL_BLOCKS / threads) & ~7;
    const options = { eval: true, workerData: this.#block };
    this.#workers = Array.from({ length: threads }, () => new Worker(MOVING, options));
  }

  /** Bytes read and written a second by so many threads at once, or read alone. */
  rate(threads: number, what: "copy" | "compare" = "copy"): Promise<number> {
    const workers = this.#workers.slice(0, threads);
    const once = (worker: Worker) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          worker.off("error", reject);
          resolve(null);
        };
        worker.once("message", done).once("error", reject);
        worker.postMessage(what);
      });
    return rateOf(2 * this.#block * workers.length, () => Promise.all(workers.map(once)));
  }

  close(): void {
    for (const worker of this.#workers) void worker.terminate();
  }
}
