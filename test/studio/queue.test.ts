/** The queue of runs and the processes that do them. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { latestMeasurements, syncCatalogue } from "../../src/feed/index.ts";
import type { RunRequest } from "../../src/studio/api.ts";
import {
  askCancel,
  claimRun,
  enqueue,
  finishRun,
  giveBack,
  heartbeat,
  LimitError,
  MOST_ATTEMPTS,
  type QueueLimits,
  reclaim,
} from "../../src/studio/runs/queue.ts";
import { aheadOf, queueLength, type RunResult, readRun, runsOf } from "../../src/studio/runs/read.ts";
import { type Runner, type RunnerOptions, startRunner } from "../../src/studio/runs/runner.ts";
import { onDatabases } from "../feed/databases.ts";
import { library } from "./library.ts";

// Patient: tests share the machine with others.
vi.setConfig({ testTimeout: 300_000 });

const limits: QueueLimits = { atOnce: 100, perHour: 100, queued: 100 };
const start = new Date("2026-11-24T12:00:00Z");
const minutes = (n: number) => new Date(start.getTime() + n * 60_000);
const study = (slug: string, seeds?: readonly number[]): RunRequest => ({
  ...{ kind: "study", slug, scale: "smoke" },
  ...(seeds ? { seeds: [...seeds] } : {}),
});

onDatabases("the queue", (feed) => {
  const add = (slug = "quick", { visitor = "ada", network = "home", now = start, most = limits } = {}) =>
    enqueue(feed().db, { request: study(slug), title: slug, visitor, network }, most, now);

  it("gives runs in their order, each to one server", async () => {
    const { db } = feed();
    const added = [await add("quick"), await add("slow"), await add("failing")];
    expect(await aheadOf(db, added[2] as never)).toBe(2);
    const claimed = await Promise.all(["a", "b", "c", "d"].map((me) => claimRun(db, me, start)));
    expect(claimed.flatMap((row) => (row ? [row.id] : [])).sort()).toEqual(added.map(({ id }) => id).sort());
    expect(claimed.filter((row) => row === undefined)).toHaveLength(1);
    expect(await queueLength(db, "ada")).toEqual({ queued: 0, running: 3, own: 3 });
    expect(new Set(added.map(({ id }) => id)).size).toBe(3);
  });

  it("writes nothing of a run that is another's now", async () => {
    const { db } = feed();
    const { id } = await add();
    await claimRun(db, "a", start);
    expect(await heartbeat(db, "a", id, null, minutes(1))).toEqual({ own: true, cancelAsked: false });
    expect(await reclaim(db, minutes(0), minutes(2))).toBe(0);
    expect(await reclaim(db, minutes(1), minutes(2))).toBe(1);
    expect((await claimRun(db, "b", minutes(2)))?.attempts).toBe(2);
    expect(await heartbeat(db, "a", id, { stage: "late", done: 1, total: 2 }, minutes(3))).toEqual({
      ...{ own: false, cancelAsked: false },
    });
    expect(await finishRun(db, "a", id, { state: "failed", failure: "late" }, minutes(3))).toBe(false);
    expect(await readRun(db, id)).toMatchObject({ state: "running", claimed_by: "b", progress: null, failure: null });
    expect(await finishRun(db, "b", id, { state: "cancelled" }, minutes(3))).toBe(true);
    expect(await finishRun(db, "b", id, { state: "failed", failure: "twice" }, minutes(3))).toBe(false);
  });

  it("gives up what dies again and again, and does not count what was stopped politely", async () => {
    const { db } = feed();
    const { id } = await add();
    for (let i = 0; i < 5; i++) {
      await claimRun(db, "a", start);
      await giveBack(db, "a", id, { counts: false });
    }
    for (let i = 1; i <= MOST_ATTEMPTS; i++) {
      expect((await claimRun(db, "a", start))?.attempts).toBe(i);
      expect(await reclaim(db, start, start)).toBe(i < MOST_ATTEMPTS ? 1 : 0);
    }
    expect(await readRun(db, id)).toMatchObject({ state: "failed", failure: expect.stringContaining("3 times") });
  });

  it("cancels what waits at once, and what runs through its server", async () => {
    const { db } = feed();
    const [first, second] = [await add(), await add()];
    await claimRun(db, "a", start);
    expect(await askCancel(db, second.id, start)).toBe("cancelled");
    expect(await askCancel(db, second.id, start)).toBe(null);
    expect(await askCancel(db, first.id, start)).toBe("running");
    expect((await heartbeat(db, "a", first.id, null, start)).cancelAsked).toBe(true);
    expect(await reclaim(db, start, start)).toBe(0);
    expect((await readRun(db, first.id))?.state).toBe("cancelled");
    expect(await claimRun(db, "a", start)).toBeUndefined();
    expect(await askCancel(db, "nothing", start)).toBe(null);
  });

  it("limits visitors, networks and the whole", async () => {
    const two = { ...limits, atOnce: 2 };
    await add("quick", { most: two });
    await add("quick", { most: two });
    await expect(add("quick", { most: two })).rejects.toThrow(/^2 runs of a visitor may wait or run at once/);
    for (const visitor of ["b", "c", "d", "e"]) await add("quick", { visitor, most: two });
    // A new cookie is no new network.
    await expect(add("quick", { visitor: "f", most: two })).rejects.toThrow(LimitError);
    await add("quick", { visitor: "f", network: "elsewhere", most: two });
    await expect(add("quick", { visitor: "g", network: "x", most: { ...limits, queued: 7 } })).rejects.toThrow(
      "the queue is full; try again later",
    );
    const hourly = { ...limits, perHour: 2 };
    await expect(add("quick", { now: minutes(59), most: hourly })).rejects.toThrow(/2 runs .* in an hour/);
    await add("quick", { now: minutes(61), most: hourly });
  });

  it("holds its limits when requests come together", async () => {
    const asked = await Promise.allSettled(
      Array.from({ length: 8 }, () => add("quick", { most: { ...limits, atOnce: 3 } })),
    );
    expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    expect((await runsOf(feed().db, "ada")).length).toBe(3);
  });

  describe("with processes", () => {
    let folder = "";
    let runner: Runner;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "fourward-runs-"));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    afterEach(() => runner.stop());
    beforeEach(async () => {
      await syncCatalogue(feed().db, library);
    });
    const begin = async (more: Partial<RunnerOptions> = {}) => {
      const worker = new URL("./worker.ts", import.meta.url);
      runner = await startRunner({ feed: feed(), folder, worker, heartbeatSeconds: 0.2, ...more });
    };
    const until = async (id: string, state: string) => {
      for (let i = 0; i < 600; i++) {
        const row = await readRun(feed().db, id);
        if (row?.state === state) return row;
        await new Promise((done) => setTimeout(done, 100));
      }
      throw new Error(`${id} did not become ${state}: ${JSON.stringify(await readRun(feed().db, id))}`);
    };

    it("does them, tells what they say, and keeps what they found", async () => {
      const { id } = await add("quick");
      await begin();
      const said = new Set<string>();
      runner.watch(id, () => {
        const live = runner.live(id);
        if (live) said.add(`${live.figures.length} ${live.notes.length}`);
      });
      const row = await until(id, "done");
      await runner.stop();
      const { outcome, figures, notes, losses, files } = row.result as RunResult;
      expect(outcome).toMatchObject({
        ...{ kind: "study", scale: "smoke", evidence: false, seeds: [0, 1, 2] },
        claims: [
          { id: "count", verdict: "holds", measured: 3 },
          { id: "mean", verdict: "holds" },
        ],
      });
      expect(figures).toMatchObject([{ kind: "table" }, { kind: "pictures", rows: [{ pictures: ["AP8="] }] }]);
      expect(notes).toEqual(["A note of the study."]);
      expect(losses).toEqual([
        {
          name: "a model",
          points: [
            [1, 1],
            [2, 0.5],
            [3, 0.25],
          ],
        },
      ]);
      expect(files).toEqual(["report.json", "report.html"]);
      expect([...said]).toContain("2 1");
      expect(await latestMeasurements(feed().db, "quick")).toMatchObject([
        { scale: "smoke", claims: [{ measured: 3 }, {}] },
      ]);
      expect(runner.ended).toEqual({ done: 1, failed: 0, cancelled: 0 });
    });

    it("says why one failed, and of one that dies how", async () => {
      const [failing, dying] = [await add("failing"), await add("dying")];
      await begin();
      expect((await until(failing.id, "failed")).failure).toBe("nothing can be measured here");
      const { failure, attempts } = await until(dying.id, "failed");
      expect([failure, attempts]).toEqual(["its process ended 3 times, the last time with code 7", 3]);
      await runner.stop();
    });

    it("cancels one that runs, also when another server is asked", async () => {
      const { db } = feed();
      const [first, second] = [await add("endless"), await add("endless")];
      await begin();
      await until(first.id, "running");
      expect(await askCancel(db, first.id, new Date())).toBe("running");
      await runner.cancel(first.id);
      await until(first.id, "cancelled");
      await until(second.id, "running");
      // Only the database knows.
      await askCancel(db, second.id, new Date());
      await until(second.id, "cancelled");
      await runner.stop();
      expect([existsSync(join(folder, first.id)), runner.running]).toEqual([false, 0]);
    });

    it("stops politely, and goes on where it was", async () => {
      const { id } = await add("slow");
      await begin();
      await until(id, "running");
      while ((runner.live(id)?.progress?.done ?? 0) < 1) await new Promise((done) => setTimeout(done, 20));
      await runner.stop();
      expect(await readRun(feed().db, id)).toMatchObject({ state: "queued", attempts: 0, claimed_by: null });
      await begin();
      let least = 3;
      runner.watch(id, () => {
        least = Math.min(least, runner.live(id)?.progress?.done ?? 3);
      });
      expect((await until(id, "done")).attempts).toBe(1);
      // Its first pieces were kept.
      expect(least).toBeGreaterThan(0);
      await runner.stop();
    });

    it("kills one that does not hear, and keeps it in the queue", async () => {
      const { id } = await add("deaf");
      await begin();
      await until(id, "running");
      await runner.stop({ graceSeconds: 0.3 });
      expect((await readRun(feed().db, id))?.state).toBe("queued");
    });
  });
});
