/** ONNX Runtime in Node. */
import { availableParallelism } from "node:os";
import type { InferenceSession } from "onnxruntime-common";
import type { Device, Runtime } from "./runtime.ts";
import { type OrtPackage, openSession, reasonOf } from "./session.ts";

/** The runtime for this process; the native library is loaded at first use, which keeps short commands quick. */
export const runtime: Runtime = {
  name: "onnxruntime-node",
  async load(model, { device, threads = availableParallelism(), double = false }) {
    const ort = (await import("onnxruntime-node")) as unknown as OrtPackage;
    try {
      return await openSession(ort, model, sessionOptions(device, threads, double));
    } catch (error) {
      if (device === "cpu") throw error;
      throw new Error(
        `device: "${device}" could not be started on this machine (${reasonOf(error)}); use --device cpu`,
        { cause: error },
      );
    }
  },
};

const sessionOptions = (device: Device, threads: number, double: boolean): InferenceSession.SessionOptions => ({
  executionProviders: [device],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  // Each session owns a thread pool; without a bound on spinning, pools of idle sessions slow the busy one.
  extra: {
    session: { intra_op: { spin_duration_us: "1000" } },
    // It joins a product and a factor to one operator whose factor is a float32, whatever the type of the product.
    ...(double ? { optimization: { disable_specified_optimizers: "MatMulScaleFusion" } } : {}),
  },
});
