/** Reads runs of the queue. */
import { type Kysely, sql } from "kysely";
import type { FeedSchema, RunRow } from "../../feed/index.ts";
import type { LossCurve } from "../../report/loss-curves.ts";
import type { JsonFigure, Run, RunOutcome, RunProgress, RunRequest } from "../api.ts";

/** What is kept of a run that is done. */
export interface RunResult {
  readonly outcome: RunOutcome;
  readonly figures: readonly JsonFigure[];
  readonly notes: readonly string[];
  /** Runs of earlier versions have none. */
  readonly losses?: readonly LossCurve[];
  /** Names of files in the run's folder. */
  readonly files: readonly string[];
}

/** The run, if there is one. */
export const readRun = (db: Kysely<FeedSchema>, id: string): Promise<RunRow | undefined> =>
  db.selectFrom("runs").selectAll().where("id", "=", id).executeTakeFirst();

/** A visitor's runs, newest first. */
export const runsOf = (db: Kysely<FeedSchema>, visitor: string, limit = 50): Promise<readonly RunRow[]> =>
  db.selectFrom("runs").selectAll().where("visitor", "=", visitor).orderBy("place", "desc").limit(limit).execute();

/** How many runs of all visitors wait and run, and how many of one do either. */
export async function queueLength(
  db: Kysely<FeedSchema>,
  visitor = "",
): Promise<{ readonly queued: number; readonly running: number; readonly own: number }> {
  return db
    .selectFrom("runs")
    .select([
      sql<number>`count(*) filter (where state = 'queued')`.as("queued"),
      sql<number>`count(*) filter (where state = 'running')`.as("running"),
      sql<number>`count(*) filter (where visitor = ${visitor})`.as("own"),
    ])
    .where("state", "in", ["queued", "running"])
    .executeTakeFirstOrThrow();
}

/** How many runs come before one that waits. */
export async function aheadOf(db: Kysely<FeedSchema>, { state, place }: RunRow): Promise<number> {
  if (state !== "queued") return 0;
  const { ahead } = await db
    .selectFrom("runs")
    .select((e) => e.fn.countAll<number>().as("ahead"))
    .where("state", "in", ["queued", "running"])
    .where("place", "<", place)
    .executeTakeFirstOrThrow();
  return ahead;
}

/** A run as the API tells of it to a visitor. */
export const runJson = (
  row: RunRow,
  { ahead, visitor }: { readonly ahead: number; readonly visitor: string },
): Run => ({
  id: row.id,
  request: row.request as RunRequest,
  title: row.title,
  state: row.state,
  own: row.visitor === visitor,
  ahead,
  attempts: row.attempts,
  createdAt: row.created_at.toISOString(),
  startedAt: row.started_at?.toISOString() ?? null,
  finishedAt: row.finished_at?.toISOString() ?? null,
  progress: row.progress as RunProgress | null,
  failure: row.failure,
});
