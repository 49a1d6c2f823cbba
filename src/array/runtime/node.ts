/** ONNX Runtime in Node. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-common";
import { copierOf, findGpu } from "./gpu.ts";
import { readKernels } from "./kernels.ts";
import type { Device, Runtime, SessionOptions } from "./runtime.ts";
import {
  gpuProvider,
  type OrtPackage,
  openSession,
  type Profiling,
  reasonOf,
  stayingOnGpu,
  withoutHarmfulPasses,
} from "./session.ts";

/** The runtime for this process; the native library is loaded at first use, which keeps short commands quick. */
export const runtime: Runtime = {
  name: "onnxruntime-node",
  async load(model, { device, threads = availableParallelism(), alone = false, profile = false, ...kind }) {
    const provider = device === "webgpu" ? gpuProvider((await findGpu()).halves, kind) : device;
    const ort = (await import("onnxruntime-node")) as unknown as OrtPackage;
    try {
      const options = sessionOptions(provider ?? "cpu", alone ? 1 : threads, kind);
      const copy =
        provider && device === "webgpu" ? await copierOf(ort, sessionOptions({ name: device }, 1, {})) : undefined;
      const profiling = profile ? await profilingInFolder() : undefined;
      return await openSession(ort, model, options, { device: provider ? device : "cpu", profiling, copy });
    } catch (error) {
      if (device === "cpu") throw error;
      throw new Error(
        `device: "${device}" could not be started on this machine (${reasonOf(error)}); use --device cpu`,
        { cause: error },
      );
    }
  },
};

const sessionOptions = (
  provider: Exclude<Device, "webgpu"> | InferenceSession.WebGpuExecutionProviderOption,
  threads: number,
  { resident = [], ...kind }: Pick<SessionOptions, "double" | "once" | "resident">,
): InferenceSession.SessionOptions => ({
  ...(typeof provider === "string"
    ? { executionProviders: [provider] }
    : {
        // Indices outside a tensor read and write nothing then: there is no error on a device, but no harm either.
        executionProviders: [{ ...provider, enableRobustness: true }],
        preferredOutputLocation: stayingOnGpu(resident),
      }),
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  // Each session owns a thread pool; without a bound on spinning, pools of idle sessions slow the busy one.
  extra: {
    session: { intra_op: { spin_duration_us: "1000" } },
    ...withoutHarmfulPasses(kind),
  },
});

/** The runtime writes its trace to a file as soon as it ends. */
async function profilingInFolder(): Promise<Profiling> {
  const folder = await mkdtemp(join(tmpdir(), "fourward-profile-"));
  return {
    options: { enableProfiling: true, profileFilePrefix: join(folder, "trace") },
    async read() {
      const [file] = await readdir(folder);
      if (file === undefined) throw new Error("profile: the runtime wrote no trace");
      return readKernels(join(folder, file)).finally(() => rm(folder, { recursive: true, force: true }));
    },
  };
}
