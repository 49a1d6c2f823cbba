/** A worker: a process that does one run, so that neither its memory nor its end touches the server. */
import { setPriority } from "node:os";
import { setDefaults } from "../../array/index.ts";
import { lockFolder } from "../../feed/lock.ts";
import type { Library } from "../../papers/index.ts";
import { StoppedError } from "../../report/study.ts";
import type { FromWorker, ToWorker, WorkOrder } from "./messages.ts";
import { doStudy } from "./study.ts";

/** What a run of one kind is done with. */
export interface Work {
  readonly library: Library;
  readonly order: WorkOrder;
  readonly signal: AbortSignal;
  readonly say: (message: FromWorker) => void;
}

/** Lower than the server's priority: pages come first. */
const NICE = 10;
/** For so long a worker waits for one of an earlier server that has not noticed yet that this is gone. */
const PATIENCE_MS = 20_000;

/** Takes the order that the parent process sends, does it, and ends. Ends at once when the parent is gone. */
export function work(library: Library): void {
  const stop = new AbortController();
  const say = (message: FromWorker): void => {
    if (process.connected) process.send?.(message);
  };
  // Whatever is half done is on disk: the next server goes on from there.
  process.on("disconnect", () => process.exit(1));
  // Ctrl-C on a terminal goes to all processes; the server says whether a run is to stop.
  process.on("SIGINT", () => {}).on("SIGTERM", () => stop.abort());
  process.on("message", (message: ToWorker) => {
    if (message.kind === "stop") stop.abort();
    else
      void run({ library, order: message.order, signal: stop.signal, say }).then((last) => {
        // Ended by hand: runtimes keep threads.
        process.send?.(last, () => process.exit(0));
      });
  });
  setPriority(NICE);
  setDefaults({ device: "cpu" });
  say({ kind: "ready" });
}

async function run(job: Work): Promise<FromWorker> {
  try {
    const unlock = await lockPatiently(job.order.folder, job.signal);
    try {
      // Told to stop before it began: what listens to the signal from now on would never hear of it.
      if (job.signal.aborted) return { kind: "stopped" };
      return await doKind(job);
    } finally {
      await unlock();
    }
  } catch (error) {
    if (error instanceof StoppedError || job.signal.aborted) return { kind: "stopped" };
    return { kind: "failed", failure: error instanceof Error ? error.message : String(error) };
  }
}

async function doKind(job: Work): Promise<FromWorker> {
  const { request } = job.order;
  if (request.kind === "study") return doStudy(job, request);
  const { doConversion, doProbe } = await import("./model-runs.ts");
  return request.kind === "probe" ? doProbe(job, request) : doConversion(job, request);
}

async function lockPatiently(folder: string, signal: AbortSignal): Promise<() => Promise<void>> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    signal.throwIfAborted();
    await new Promise((done) => setTimeout(done, 200));
  }
}
