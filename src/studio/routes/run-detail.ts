/** Runs as addresses name them, with all that is known of them. */
import type { RunRow } from "../../feed/index.ts";
import type { RunDetail } from "../api.ts";
import { Refusal } from "../refusal.ts";
import { type RunResult, readRun } from "../runs/read.ts";
import { runFor, type Studio } from "../studio.ts";
import type { StudioContext } from "../visitor.ts";

/** The run that an address names. */
export async function runAt({ feed }: Studio, c: StudioContext): Promise<RunRow> {
  const id = c.req.param("id") ?? "";
  const row = /^[\w-]{22}$/.test(id) ? await readRun(feed.db, id) : undefined;
  if (!row) throw new Refusal(404, "there is no such run");
  return row;
}

/** A run with all that it has said so far. */
export async function detailOf(studio: Studio, row: RunRow, visitor: string): Promise<RunDetail> {
  const kept = row.result as RunResult | null;
  const live = studio.runner.live(row.id);
  return {
    ...(await runFor(studio, row, visitor)),
    ...(live?.progress ? { progress: live.progress } : {}),
    figures: [...(kept?.figures ?? live?.figures ?? [])],
    losses: [...(kept?.losses ?? live?.losses ?? [])],
    notes: [...(kept?.notes ?? live?.notes ?? [])],
    outcome: kept?.outcome ?? null,
    files: [...(kept?.files ?? [])],
  };
}
