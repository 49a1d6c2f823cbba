/** Measurements of studies that were run here, taken from the reports that they leave. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { z } from "zod";
import { fileError } from "../data/files.ts";
import { claimResult } from "../report/claim-schema.ts";
import type { ClaimResult } from "../report/result.ts";
import { scales } from "../report/study.ts";
import type { FeedSchema } from "./schema.ts";

const report = z.object({
  paper: z.object({ slug: z.string() }),
  scale: z.enum(scales),
  evidence: z.boolean(),
  started: z.iso.datetime(),
  seconds: z.number(),
  command: z.string(),
  claims: z.array(claimResult),
});

/** What `fourward probe` leaves in the same folder: of a model, not of a paper. */
const probed = z.object({ model: z.string(), probes: z.record(z.string(), z.unknown()) });

/** What became of the reports in a folder. */
export interface TakenReports {
  readonly taken: number;
  /** Paths of files that are no reports, with why. */
  readonly broken: readonly string[];
}

/**
 * Takes the reports in a folder as `fourward run` leaves them (`<folder>/<slug>-<scale>/report.json`). A report that has
 * been taken stays when its file is written over by a later run. Reports of probes are passed over; a folder that is not
 * there has none.
 */
export async function takeReports(db: Kysely<FeedSchema>, folder: string): Promise<TakenReports> {
  const names = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fileError("read", folder, error);
  });
  let taken = 0;
  const broken: string[] = [];
  for (const name of names.sort()) {
    const path = join(folder, name, "report.json");
    const text = await readFile(path, "utf8").catch(() => null);
    if (text === null) continue;
    const content = jsonOf(text);
    if (probed.safeParse(content).success) continue;
    const parsed = report.safeParse(content);
    if (!parsed.success) {
      broken.push(`${path}: ${parsed.error.issues[0]?.path.join(".") || "the file"} is not as in a report`);
      continue;
    }
    const { paper, scale, started, seconds, evidence, command, claims } = parsed.data;
    const row = await db.selectFrom("papers").select("id").where("slug", "=", paper.slug).executeTakeFirst();
    // Of a paper that is no longer there.
    if (!row) continue;
    const { numInsertedOrUpdatedRows } = await db
      .insertInto("measurements")
      .values({
        ...{ paper_id: row.id, scale, started_at: new Date(started), seconds, evidence, command },
        claims: JSON.stringify(claims),
      })
      .onConflict((conflict) => conflict.columns(["paper_id", "scale", "started_at"]).doNothing())
      .executeTakeFirstOrThrow();
    taken += Number(numInsertedOrUpdatedRows ?? 0);
  }
  return { taken, broken };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Measurements of a paper at one scale. */
export interface PaperMeasurements {
  readonly scale: (typeof scales)[number];
  readonly startedAt: Date;
  readonly seconds: number;
  readonly evidence: boolean;
  readonly command: string;
  readonly claims: readonly ClaimResult[];
}

/** The latest measurements of a paper at each scale that it was run at, largest scale first. */
export async function latestMeasurements(db: Kysely<FeedSchema>, slug: string): Promise<readonly PaperMeasurements[]> {
  const rows = await db
    .selectFrom("measurements as m")
    .innerJoin("papers as p", "p.id", "m.paper_id")
    .distinctOn("m.scale")
    .select(["m.scale", "m.started_at as startedAt", "m.seconds", "m.evidence", "m.command", "m.claims"])
    .where("p.slug", "=", slug)
    .orderBy("m.scale")
    .orderBy("m.started_at", "desc")
    .execute();
  return rows.sort((a, b) => scales.indexOf(b.scale) - scales.indexOf(a.scale));
}
