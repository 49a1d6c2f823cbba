/** Server-sent events of a run. */
import { isDeepStrictEqual } from "node:util";
import { streamSSE } from "hono/streaming";
import type { RunRow } from "../../feed/index.ts";
import { curveChanges, withLosses } from "../../report/loss-curves.ts";
import type { RunDetail, RunEvent } from "../api.ts";
import { Refusal } from "../refusal.ts";
import { readRun } from "../runs/read.ts";
import type { Studio } from "../studio.ts";
import { addressOf, networkOf, type StudioContext } from "../visitor.ts";
import { detailOf } from "./run-detail.ts";

/** Streams that one network may have at once, and all together. */
const [MOST_OF_NETWORK, MOST] = [24, 500];
/** How often the database is looked at, for runs of other servers and places in the queue. */
const LOOK_MS = 1000;
/** Between two events of progress. */
const PAUSE_MS = 150;
/** So often a line goes out in any case, so that proxies keep the connection and the server notices who has gone. */
const ALIVE_MS = 15_000;

const open = new Map<string, number>();
let all = 0;

function enter(network: string): () => void {
  const own = open.get(network) ?? 0;
  if (own >= MOST_OF_NETWORK || all >= MOST) throw new Refusal(429, "too many streams of events at once", 30);
  open.set(network, own + 1);
  all++;
  return () => {
    all--;
    const left = (open.get(network) ?? 1) - 1;
    if (left === 0) open.delete(network);
    else open.set(network, left);
  };
}

/** What has happened between two looks at a run, as events. */
export function eventsBetween(before: RunDetail, after: RunDetail): RunEvent[] {
  const events: RunEvent[] = [];
  if (after.state === "queued" && (before.state !== "queued" || before.ahead !== after.ahead))
    events.push({ event: "queued", data: { ahead: after.ahead } });
  if (after.state === "running" && (before.state !== "running" || before.attempts !== after.attempts))
    events.push({ event: "running", data: { attempts: after.attempts } });
  // The end has its own event; the database keeps progress of a while ago, with its keys in another order.
  if (after.progress && !isOver(after) && !isDeepStrictEqual(before.progress, after.progress))
    events.push({ event: "progress", data: after.progress });
  const changes = curveChanges(before.losses, after.losses);
  if (changes.length > 0 && !isOver(after)) events.push({ event: "losses", data: { changes } });
  // A run that went on elsewhere tells its figures anew.
  if (after.figures.length >= before.figures.length)
    for (const data of after.figures.slice(before.figures.length)) events.push({ event: "figure", data });
  if (after.notes.length >= before.notes.length)
    for (const text of after.notes.slice(before.notes.length)) events.push({ event: "note", data: { text } });
  if (before.state !== after.state) {
    if (after.state === "done") events.push({ event: "done", data: after });
    if (after.state === "failed") events.push({ event: "failed", data: { failure: after.failure ?? "" } });
    if (after.state === "cancelled") events.push({ event: "cancelled", data: {} });
  }
  return events;
}

const isOver = ({ state }: RunDetail): boolean => state === "done" || state === "failed" || state === "cancelled";

/** Of a run of another server there are no curves here until it is done, but the progress that it writes down. */
function followed({ losses }: RunDetail, after: RunDetail): RunDetail {
  const { training } = after.progress ?? {};
  return after.losses.length > 0 || !training ? after : { ...after, losses: [...withLosses(losses, training)] };
}

/** The events of a run from now on: all that is known, then what comes, until it is over. */
export function runEventStream(studio: Studio, c: StudioContext, first: RunRow, visitor: string): Response {
  const leave = enter(networkOf(addressOf(c, studio.access)));
  c.header("x-accel-buffering", "no");
  c.header("cache-control", "no-store");
  return streamSSE(c, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const ending = AbortSignal.any([gone.signal, studio.stopping]);
    try {
      const send = ({ event, data }: RunEvent) => stream.writeSSE({ event, data: JSON.stringify(data) });
      let before = await detailOf(studio, first, visitor);
      await send({ event: "run", data: before });
      let said = performance.now();
      while (!isOver(before) && !ending.aborted) {
        await news(studio, first.id, ending);
        const row = await readRun(studio.feed.db, first.id);
        if (!row) return;
        const after = followed(before, await detailOf(studio, row, visitor));
        for (const event of eventsBetween(before, after)) {
          await send(event);
          said = performance.now();
        }
        before = after;
        if (performance.now() - said > ALIVE_MS) {
          await stream.write(": still here\n\n");
          said = performance.now();
        }
      }
    } finally {
      leave();
    }
  });
}

/** Waits until a run of this server has said something, or it is time to look. */
async function news({ runner }: Studio, id: string, ending: AbortSignal): Promise<void> {
  const started = performance.now();
  await new Promise<void>((done) => {
    const finish = (): void => {
      clearTimeout(timer);
      unwatch();
      ending.removeEventListener("abort", finish);
      done();
    };
    const timer = setTimeout(finish, LOOK_MS);
    const unwatch = runner.watch(id, finish);
    ending.addEventListener("abort", finish);
  });
  const rest = PAUSE_MS - (performance.now() - started);
  if (rest > 0 && !ending.aborted) await new Promise((done) => setTimeout(done, rest));
}
