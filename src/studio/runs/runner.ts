/** Does the runs of the queue, each in a process of its own. */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Feed, type RunRow, takeReports } from "../../feed/index.ts";
import { type LossCurve, withLosses } from "../../report/loss-curves.ts";
import type { JsonFigure, RunProgress, RunRequest } from "../api.ts";
import { startWorker, type Worker, type WorkerEnd } from "./process.ts";
import { claimRun, finishRun, giveBack, heartbeat, MOST_ATTEMPTS, reclaim } from "./queue.ts";
import type { RunResult } from "./read.ts";

export interface RunnerOptions {
  readonly feed: Feed;
  /** Folder of what runs keep and write, each in a folder of its own. */
  readonly folder: string;
  /** Runs at once; 1 by default. 0: none, they wait for another server. */
  readonly concurrency?: number;
  /** Folders of models by name, beside the embedded one. */
  readonly models?: Readonly<Record<string, string>>;
  /** The module that a worker runs; see `work.ts`. */
  readonly worker?: URL;
  /** Between two signs of life; 3 by default. A server that is silent for ten times as long has lost its runs. */
  readonly heartbeatSeconds?: number;
  /** Told when measurements of a study have come into the feed. */
  readonly onMeasured?: () => void;
  /** Told how each run ended, and of what goes wrong with the database. */
  readonly log?: (line: string) => void;
}

/** What a run has said so far. */
export interface Live {
  progress: RunProgress | null;
  readonly figures: JsonFigure[];
  readonly notes: string[];
  losses: readonly LossCurve[];
}

export interface Runner {
  /** What a run that this server has in hand has said so far. */
  live(id: string): Live | undefined;
  /** Calls `listener` when a run of this server has said something or changed its state; gives what ends that. */
  watch(id: string, listener: () => void): () => void;
  /** Looks at the queue now, since something was put into it. */
  kick(): void;
  /** Ends a run that this server has in hand, or removes what one left that was cancelled while it waited. */
  cancel(id: string): Promise<void>;
  /** Takes no further run, stops those in hand so that they can go on later, and resolves when their processes are gone. */
  stop(options?: { readonly graceSeconds?: number }): Promise<void>;
  readonly running: number;
  /** How many ended how. */
  readonly ended: Readonly<Record<"done" | "failed" | "cancelled", number>>;
}

/** The folder of a run. */
export const folderOf = (folder: string, id: string): string => join(folder, id);

/** So long a worker has to stop, unless told otherwise; pieces may take a while, and what is half done is done again. */
const GRACE_SECONDS = 10;

/** A run in hand. */
interface InHand {
  readonly live: Live;
  readonly worker: Worker;
  /** Why its worker was told to stop. */
  stopping: "cancelled" | "given back" | null;
  readonly over: Promise<void>;
}

/** Starts doing the runs of the queue. */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { feed, folder, concurrency = 1, heartbeatSeconds = 3, models = {}, log = () => {} } = options;
  const { db } = feed;
  const me = randomUUID();
  const hands = new Map<string, InHand>();
  const listeners = new Map<string, Set<() => void>>();
  const ended = { done: 0, failed: 0, cancelled: 0 };
  let isStopping = false;
  const silence = 10_000 * heartbeatSeconds;

  const tell = (id: string): void => {
    for (const listener of listeners.get(id) ?? []) listener();
  };

  /** Removes what a run left. */
  const forget = (id: string): Promise<void> => rm(folderOf(folder, id), { recursive: true, force: true });

  const begin = (row: RunRow): void => {
    const live: Live = { progress: null, figures: [], notes: [], losses: [] };
    const worker = startWorker(
      options.worker,
      { request: row.request as RunRequest, folder: folderOf(folder, row.id), models },
      (message) => {
        if (message.kind === "progress") {
          live.progress = message.progress;
          if (message.progress.training) live.losses = withLosses(live.losses, message.progress.training);
        } else if (message.kind === "figure") live.figures.push(message.figure);
        else live.notes.push(message.text);
        tell(row.id);
      },
    );
    const hand: InHand = { live, worker, stopping: null, over: worker.ended.then((end) => over(row, hand, end)) };
    hands.set(row.id, hand);
    tell(row.id);
  };

  const over = async (row: RunRow, { live, stopping }: InHand, end: WorkerEnd): Promise<void> => {
    const { id } = row;
    try {
      const state = await settle(row, live, stopping, end);
      if (state !== null) {
        ended[state]++;
        log(`run ${id} (${row.title}) ${state}${end.kind === "failed" ? `: ${end.failure}` : ""}`);
      }
    } catch (error) {
      // The row stays ours without a sign of life, and is queued again in time.
      log(`run ${id}: its end could not be written (${error instanceof Error ? error.message : error})`);
    } finally {
      hands.delete(id);
      tell(id);
      kick();
    }
  };

  /** Writes how a run ended; gives its state, or null if it is not over or no longer this server's. */
  const settle = async (
    { id, attempts, request }: RunRow,
    live: Live,
    stopping: InHand["stopping"],
    end: WorkerEnd,
  ): Promise<"done" | "failed" | "cancelled" | null> => {
    const finish = async (how: Parameters<typeof finishRun>[3]) =>
      (await finishRun(db, me, id, how, new Date())) ? how.state : null;
    // What is done is done, also if it was to be stopped meanwhile.
    if (end.kind === "done") {
      const { outcome, files } = end;
      const result: RunResult = { outcome, files, figures: live.figures, notes: live.notes, losses: live.losses };
      const state = await finish({ state: "done", result });
      if (state !== null && (request as RunRequest).kind === "study") {
        await takeReports(db, folderOf(folder, id));
        options.onMeasured?.();
      }
      return state;
    }
    if (stopping === "cancelled") {
      const state = await finish({ state: "cancelled" });
      if (state !== null) await forget(id);
      return state;
    }
    if (stopping === "given back") {
      await giveBack(db, me, id, { counts: false });
      return null;
    }
    if (end.kind === "failed") return finish({ state: "failed", failure: end.failure });
    if (attempts >= MOST_ATTEMPTS) {
      const how = end.kind === "died" ? end.how : "a signal to stop";
      return finish({ state: "failed", failure: `its process ended ${attempts} times, the last time with ${how}` });
    }
    await giveBack(db, me, id, { counts: true });
    return null;
  };

  let claiming: Promise<void> = Promise.resolve();
  let isClaimWanted = false;
  const claim = async (): Promise<void> => {
    isClaimWanted = false;
    while (!isStopping && hands.size < concurrency) {
      const row = await claimRun(db, me, new Date());
      if (!row) return;
      // What came between is given back by `stop`.
      await mkdir(folderOf(folder, row.id), { recursive: true });
      begin(row);
      if (isStopping) stopHand(row.id, "given back", GRACE_SECONDS);
    }
  };
  const kick = (): void => {
    if (isClaimWanted || isStopping) return;
    isClaimWanted = true;
    claiming = claiming.then(claim).catch((error: unknown) => {
      log(`the queue could not be read (${error instanceof Error ? error.message : error})`);
    });
  };

  const stopHand = (id: string, why: "cancelled" | "given back", graceSeconds: number): void => {
    const hand = hands.get(id);
    if (!hand) return;
    // A visitor's wish stands above the server's.
    if (hand.stopping !== "cancelled") hand.stopping = why;
    hand.worker.stop(graceSeconds);
  };

  const tick = async (): Promise<void> => {
    for (const [id, { live, worker }] of [...hands]) {
      const { own, cancelAsked } = await heartbeat(db, me, id, live.progress, new Date());
      // Another server has it, since this one was silent: two must not write into one folder.
      if (!own && hands.has(id)) worker.kill();
      if (cancelAsked) stopHand(id, "cancelled", GRACE_SECONDS);
    }
    // Claims go on beside this: one that has just been made is too young to be silent.
    const silent = await reclaim(db, new Date(Date.now() - silence), new Date(), [...hands.keys()]);
    if (silent > 0) log(`${silent} ${silent === 1 ? "run" : "runs"} of a silent server will go on`);
    kick();
  };
  let ticking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    ticking = ticking.then(tick).catch((error: unknown) => {
      log(`the queue could not be read (${error instanceof Error ? error.message : error})`);
    });
  }, 1000 * heartbeatSeconds);

  await mkdir(folder, { recursive: true });
  // The folder of PGlite is this process's alone: whoever had these runs is gone.
  const gone = feed.kind === "pglite" ? new Date() : new Date(Date.now() - silence);
  const again = await reclaim(db, gone, new Date());
  if (again > 0) log(`${again} ${again === 1 ? "run" : "runs"} of an earlier server will go on`);
  kick();

  return {
    live: (id) => hands.get(id)?.live,
    watch(id, listener) {
      const own = listeners.get(id) ?? new Set();
      listeners.set(id, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0) listeners.delete(id);
      };
    },
    kick,
    async cancel(id) {
      if (hands.has(id)) return stopHand(id, "cancelled", GRACE_SECONDS);
      await forget(id);
      tell(id);
    },
    async stop({ graceSeconds = GRACE_SECONDS } = {}) {
      isStopping = true;
      clearInterval(timer);
      await Promise.all([claiming, ticking]);
      for (const id of hands.keys()) stopHand(id, "given back", graceSeconds);
      await Promise.all([...hands.values()].map(({ over }) => over));
    },
    get running() {
      return hands.size;
    },
    ended,
  };
}
