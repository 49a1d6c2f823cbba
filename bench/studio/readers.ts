/** The studio under many readers at once. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import autocannon from "autocannon";
import { table } from "../table.ts";

export interface ReadersBenchOptions {
  /** Connections, each of which asks again as soon as it has its answer. */
  readonly readers: number;
  readonly seconds: number;
  readonly paths: readonly string[];
  readonly log: (line: string) => void;
}

export interface ReadersFigures extends Measured {
  readonly path: string;
}

interface Measured {
  readonly requestsPerSecond: number;
  /** Milliseconds: the median, what 99 of 100 stay below, and the longest. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** Failed connections, answers that never came, and answers that were no 200. */
  readonly failed: number;
  readonly megabytesPerSecond: number;
}

/** Starts `fourward studio` over the catalogue, in a new database, and lets readers at one address after the other. */
export async function runReaders({ readers, seconds, paths, log }: ReadersBenchOptions): Promise<ReadersFigures[]> {
  const folder = mkdtempSync(join(tmpdir(), "fourward-readers-"));
  const server = await start(folder);
  try {
    const measure = hasWrk() ? byWrk : byAutocannon;
    log(
      `the readers are ${measure === byWrk ? "wrk's" : "autocannon's, which takes as long as the server: wrk would take less"}`,
    );
    const figures: ReadersFigures[] = [];
    for (const path of paths) {
      // Where nobody has asked before, the answer is computed: that is another figure.
      await fetch(server.url + path);
      log(`${path}: ${readers} readers for ${seconds} s`);
      figures.push({ path, ...(await measure(server.url + path, readers, seconds)) });
    }
    return figures;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const HEADERS = { "accept-encoding": "gzip, deflate, br" };

const hasWrk = (): boolean => spawnSync("wrk", ["--version"]).error === undefined;

async function byWrk(url: string, readers: number, seconds: number): Promise<Measured> {
  const script = fileURLToPath(new URL("wrk.lua", import.meta.url));
  const headers = Object.entries(HEADERS).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const options = ["-t", "1", "-c", String(readers), "-d", `${seconds}s`, "--timeout", "30s", "-s", script];
  const { stdout } = await promisify(execFile)("wrk", [...options, ...headers, url]);
  const found = JSON.parse(stdout.trim().split("\n").at(-1) as string) as Record<string, number>;
  const { requests = 0, microseconds = 0, bytes = 0, p50 = 0, p99 = 0, longest = 0, failed = 0 } = found;
  return {
    requestsPerSecond: requests / (microseconds / 1e6),
    ...{ p50: p50 / 1000, p99: p99 / 1000, longest: longest / 1000, failed },
    megabytesPerSecond: bytes / microseconds,
  };
}

async function byAutocannon(url: string, readers: number, seconds: number): Promise<Measured> {
  const result = await autocannon({
    ...{ url, connections: readers, duration: seconds, timeout: 30 },
    headers: HEADERS,
  });
  return {
    requestsPerSecond: result.requests.average,
    ...{ p50: result.latency.p50, p99: result.latency.p99, longest: result.latency.max },
    failed: result.errors + result.timeouts + result.non2xx,
    megabytesPerSecond: result.throughput.average / 1e6,
  };
}

async function start(folder: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", main, "studio", "--port", "0", "--runs", "0"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, FOURWARD_FEED: join(folder, "feed"), DATABASE_URL: "" },
  });
  const ended = new Promise<void>((done) => child.on("close", () => done()));
  const url = await new Promise<string>((done, fail) => {
    let printed = "";
    child.stdout.on("data", (text) => {
      printed += text;
      const address = /studio is at (\S+);/.exec(printed)?.[1];
      if (address) done(address);
    });
    child.on("close", (code) => fail(new Error(`fourward studio ended with code ${code}`)));
  });
  return {
    url,
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** The figures as a table. */
export const readersText = (figures: readonly ReadersFigures[]): string =>
  table(
    ["address", "requests/s", "p50, ms", "p99, ms", "longest, ms", "failed", "MB/s"],
    figures.map(({ path, requestsPerSecond, p50, p99, longest, failed, megabytesPerSecond }) => [
      path,
      ...[requestsPerSecond.toFixed(0), p50.toFixed(0), p99.toFixed(0), longest.toFixed(0), String(failed)],
      megabytesPerSecond.toFixed(1),
    ]),
  );
