/** Jobs of Fourward beside PyTorch, tfjs-wasm and jax-js. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeMachine } from "../../src/report/machine.ts";
import { compareJob, Peers } from "../compare.ts";
import { openRoofline } from "../roofline.ts";
import { writeInputs } from "./inputs.ts";
import { adam, type Job, type StoredJob } from "./job.ts";
import { type Found, findPeers, type PeerId } from "./peers.ts";
import type { Creation, EngineReport } from "./report.ts";
import type { Work } from "./work.ts";

export interface EngineOptions {
  /** Name of the group that the jobs are of. */
  readonly group: string;
  readonly jobs: readonly Job[];
  readonly peers: readonly PeerId[];
  readonly rounds: number;
  readonly threads: number;
  /** See `CompareOptions`. */
  readonly setUpMs?: number;
  /** Measure in each round what the machine can do; true by default. */
  readonly roofline?: boolean;
  /** The peers, where they are not the usual ones. */
  readonly found?: readonly Found[] | undefined;
  /** The interpreter that has torch; found by itself if undefined. */
  readonly python?: string;
  readonly log: (line: string) => void;
}

/** The job whose graph the session is made of; its time is a bar of its own. */
const CREATED = "compile";
const CREATION_ROUNDS = 5;
const LIMIT_MS = 120_000;

/** Runs the comparison in child processes; nothing of it stays behind. */
export async function runEngine({
  group,
  jobs,
  rounds,
  threads,
  roofline: isMeasured = true,
  log,
  ...options
}: EngineOptions): Promise<EngineReport> {
  const found = options.found ?? findPeers(options.peers, threads, options.python);
  const skipped = found.flatMap((peer) => ("missing" in peer ? [peer.missing] : []));
  for (const line of skipped) log(line);
  const usable = new Map(found.flatMap((peer) => ("command" in peer ? [[peer.id, peer.command] as const] : [])));
  const folder = mkdtempSync(join(tmpdir(), "fourward-bench-"));
  const started = new Peers(usable);
  let peers = started;
  const roofline = isMeasured ? await openRoofline(threads) : undefined;
  try {
    log("start peers");
    const { facts, failures } = await started.describe();
    for (const [id, reason] of Object.entries(failures)) {
      skipped.push(`${id}: skipped, ${reason}`);
      usable.delete(id);
    }
    if (Object.keys(failures).length > 0) {
      started.close();
      peers = new Peers(usable);
    }
    const store = ({ arrays, ...job }: Job): StoredJob => {
      const file = join(folder, `${job.id}.bin`);
      return { ...job, adam, file, arrays: writeInputs(file, arrays, 1) };
    };
    const results = [];
    for (const job of jobs) {
      const stored = store(job);
      const result = await compareJob(peers, stored, {
        rounds,
        log,
        reference: "torch",
        ...(options.setUpMs === undefined ? {} : { setUpMs: options.setUpMs }),
        ...(roofline ? { rates: roofline.measure } : {}),
      });
      results.push({ ...result, works: await worksOf(peers, stored) });
      rmSync(join(folder, `${job.id}.bin`));
    }
    const created = jobs.find(({ id }) => id === CREATED);
    const creation = created && usable.has("fourward") ? await timeCreation(peers, store(created), log) : null;
    return {
      group,
      date: new Date().toISOString().slice(0, 10),
      machine: describeMachine(),
      threads,
      rounds,
      peers: facts,
      skipped,
      jobs: results,
      creation,
    };
  } finally {
    peers.close();
    await roofline?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a step costs, which Fourward tells; nothing without it. */
async function worksOf(peers: Peers, job: StoredJob): Promise<readonly Work[]> {
  if (!peers.ids.includes("fourward")) return [];
  return (await peers.get("fourward").ask({ op: "works", job }, LIMIT_MS)).works as readonly Work[];
}

async function timeCreation(peers: Peers, job: StoredJob, log: (line: string) => void): Promise<Creation> {
  log(`${job.id}: creation of its session`);
  const rounds: Creation["rounds"][number][] = [];
  for (let i = 0; i < CREATION_ROUNDS; i++) {
    const reply = await peers.get("fourward").ask({ op: "creation", job }, LIMIT_MS);
    rounds.push(reply as unknown as Creation["rounds"][number]);
  }
  return { job: job.id, rounds };
}
