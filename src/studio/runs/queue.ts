/**
 * The queue of runs, in the database: what is there outlives every crash of a server.
 *
 * A run is `queued` until a server claims it; then it is `running`, and the server says every few seconds that it still has
 * it. A run whose server is silent for too long is queued again, in its old place, and goes on from the pieces that it left.
 * Whatever a server writes of a run it writes only while the run is still its own, so that a server that was silent and
 * comes back changes nothing.
 */
import { randomBytes } from "node:crypto";
import { type Kysely, sql } from "kysely";
import type { FeedSchema, RunRow } from "../../feed/index.ts";
import type { RunProgress, RunRequest } from "../api.ts";

/** How many runs there may be. */
export interface QueueLimits {
  /** Of a visitor, queued and running; those of one network together may have three times as many. */
  readonly atOnce: number;
  /** Started by a visitor in an hour; likewise. */
  readonly perHour: number;
  /** Of all visitors, queued. */
  readonly queued: number;
}

/** What the visitors of one network may do together, in visitors: forgetting one's cookies gives no more. */
const NETWORK_FACTOR = 3;

/** Thrown for a run that is one too many. */
export class LimitError extends Error {
  override readonly name = "LimitError";
  /** Whether it is the visitor's own limit, not that of all. */
  readonly own: boolean;
  /** When it makes sense to ask again. */
  readonly retrySeconds: number;

  constructor(message: string, own: boolean, retrySeconds: number) {
    super(message);
    this.own = own;
    this.retrySeconds = retrySeconds;
  }
}

export interface NewRun {
  readonly request: RunRequest;
  readonly title: string;
  /** Hashes, see `hashedVisitor`. */
  readonly visitor: string;
  readonly network: string;
}

const HOUR = 3_600_000;
/** Any number, the same in all servers of a database: they count and add one after another. */
const COUNTING = 764_302;

/** Puts a run at the end of the queue. Throws `LimitError` with one sentence if a limit is reached. */
export async function enqueue(
  db: Kysely<FeedSchema>,
  { request, ...run }: NewRun,
  { atOnce, perHour, queued: most }: QueueLimits,
  now: Date,
): Promise<RunRow> {
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(COUNTING)})`.execute(tx);
    const since = new Date(now.getTime() - HOUR).toISOString();
    const { waiting, ofVisitor, ofNetwork, startedByVisitor, startedByNetwork } = await tx
      .selectFrom("runs")
      .select([
        sql<number>`count(*) filter (where state = 'queued')`.as("waiting"),
        sql<number>`count(*) filter (where visitor = ${run.visitor} and state in ('queued', 'running'))`.as(
          "ofVisitor",
        ),
        sql<number>`count(*) filter (where network = ${run.network} and state in ('queued', 'running'))`.as(
          "ofNetwork",
        ),
        sql<number>`count(*) filter (where visitor = ${run.visitor} and created_at > ${since}::timestamptz)`.as(
          "startedByVisitor",
        ),
        sql<number>`count(*) filter (where network = ${run.network} and created_at > ${since}::timestamptz)`.as(
          "startedByNetwork",
        ),
      ])
      .executeTakeFirstOrThrow();
    if (ofVisitor >= atOnce || ofNetwork >= NETWORK_FACTOR * atOnce)
      throw new LimitError(
        `${atOnce} ${atOnce === 1 ? "run" : "runs"} of a visitor may wait or run at once; wait for one to end, or cancel it`,
        true,
        30,
      );
    if (startedByVisitor >= perHour || startedByNetwork >= NETWORK_FACTOR * perHour)
      throw new LimitError(`${perHour} runs of a visitor may be started in an hour; try again later`, true, 600);
    if (waiting >= most) throw new LimitError("the queue is full; try again later", false, 60);
    return tx
      .insertInto("runs")
      .values({
        ...run,
        ...{ id: randomBytes(16).toString("base64url"), request: JSON.stringify(request), created_at: now },
        ...{ started_at: null, finished_at: null, claimed_by: null, heartbeat_at: null },
        ...{ progress: null, failure: null, result: null },
      })
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}

/** Takes the first run of the queue in hand, so that no other server does. */
export const claimRun = (db: Kysely<FeedSchema>, me: string, now: Date): Promise<RunRow | undefined> =>
  db
    .updateTable("runs")
    .set({
      ...{ state: "running", claimed_by: me, heartbeat_at: now, attempts: sql<number>`attempts + 1` },
      started_at: sql<Date>`coalesce(started_at, ${now.toISOString()}::timestamptz)`,
    })
    .where("id", "=", (e) =>
      e
        .selectFrom("runs")
        .select("id")
        .where("state", "=", "queued")
        .orderBy("place")
        .limit(1)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .executeTakeFirst();

/** Says that a run is still in hand, and how far it is. Gives whether it is, and whether its visitor wants it to end. */
export async function heartbeat(
  db: Kysely<FeedSchema>,
  me: string,
  id: string,
  progress: RunProgress | null,
  now: Date,
): Promise<{ readonly own: boolean; readonly cancelAsked: boolean }> {
  const row = await db
    .updateTable("runs")
    .set({ heartbeat_at: now, ...(progress === null ? {} : { progress: JSON.stringify(progress) }) })
    .where("id", "=", id)
    .where("claimed_by", "=", me)
    .where("state", "=", "running")
    .returning("cancel_asked as cancelAsked")
    .executeTakeFirst();
  return { own: row !== undefined, cancelAsked: row?.cancelAsked ?? false };
}

/** How a run ended. */
export type Ended =
  | { readonly state: "done"; readonly result: unknown }
  | { readonly state: "failed"; readonly failure: string }
  | { readonly state: "cancelled" };

/** Writes how a run ended; false if it was no longer this server's. */
export async function finishRun(
  db: Kysely<FeedSchema>,
  me: string,
  id: string,
  ended: Ended,
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("runs")
    .set({
      ...{ state: ended.state, finished_at: now, claimed_by: null },
      failure: ended.state === "failed" ? ended.failure : null,
      result: ended.state === "done" ? JSON.stringify(ended.result) : null,
    })
    .where("id", "=", id)
    .where("claimed_by", "=", me)
    .where("state", "=", "running")
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/**
 * Gives a run back that this server does not finish: since it stops, which does not count as an attempt, or since the
 * worker died, which does.
 */
export async function giveBack(
  db: Kysely<FeedSchema>,
  me: string,
  id: string,
  { counts }: { readonly counts: boolean },
): Promise<void> {
  await db
    .updateTable("runs")
    .set({
      ...{ state: "queued", claimed_by: null, heartbeat_at: null },
      attempts: counts ? sql<number>`attempts` : sql<number>`attempts - 1`,
    })
    .where("id", "=", id)
    .where("claimed_by", "=", me)
    .where("state", "=", "running")
    .execute();
}

/** How often a run is begun whose worker or server dies: what kills a server each time must not do so for ever. */
export const MOST_ATTEMPTS = 3;

/**
 * Queues runs again whose server has not been heard of since a time; those that were begun too often fail. Those that the
 * caller has in hand are left alone, however long its own signs of life took to be written. Gives how many are queued
 * again.
 */
export async function reclaim(
  db: Kysely<FeedSchema>,
  silentSince: Date,
  now: Date,
  inHand: readonly string[] = [],
): Promise<number> {
  const silent = db
    .updateTable("runs")
    .where("state", "=", "running")
    .$if(inHand.length > 0, (q) => q.where("id", "not in", [...inHand]))
    .where((e) => e.or([e("heartbeat_at", "is", null), e("heartbeat_at", "<=", silentSince)]));
  // A run that was to end has ended with its server.
  await silent
    .set({ state: "cancelled", finished_at: now, claimed_by: null })
    .where("cancel_asked", "=", true)
    .execute();
  await silent
    .set({
      ...{ state: "failed", finished_at: now, claimed_by: null },
      failure: `the server or its worker ended ${MOST_ATTEMPTS} times while it ran this`,
    })
    .where("attempts", ">=", MOST_ATTEMPTS)
    .execute();
  const { numUpdatedRows } = await silent
    .set({ state: "queued", claimed_by: null, heartbeat_at: null })
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** Ends a run that waits, and asks for the end of one that runs; gives its state then, or null if it was over. */
export async function askCancel(
  db: Kysely<FeedSchema>,
  id: string,
  now: Date,
): Promise<"cancelled" | "running" | null> {
  const waiting = await db
    .updateTable("runs")
    .set({ state: "cancelled", cancel_asked: true, finished_at: now })
    .where("id", "=", id)
    .where("state", "=", "queued")
    .executeTakeFirst();
  if (waiting.numUpdatedRows === 1n) return "cancelled";
  const running = await db
    .updateTable("runs")
    .set({ cancel_asked: true })
    .where("id", "=", id)
    .where("state", "=", "running")
    .executeTakeFirst();
  return running.numUpdatedRows === 1n ? "running" : null;
}
