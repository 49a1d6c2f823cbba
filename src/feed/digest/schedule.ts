/** Writes digests that are due into the outbox, each once. */
import type { Kysely, Transaction } from "kysely";
import type { FeedSchema, Subscriber } from "../schema.ts";
import { type FoundRow, searchFeed } from "../search.ts";
import { localDate, nextHour } from "./local-time.ts";
import { letter, newMessageId } from "./subscriptions.ts";

/** A paper in a digest. */
export interface DigestPaper {
  readonly slug: string;
  readonly title: string;
  readonly year: number;
  readonly arxiv: string | null;
  /** Our summary, or the beginning of the authors' abstract. */
  readonly about: string;
  readonly runs: boolean;
}

export interface DigestContent {
  readonly date: string;
  readonly trending: readonly DigestPaper[];
  /** Papers that run since the subscriber's last digest. */
  readonly newlyRuns: readonly DigestPaper[];
}

const TRENDING = 5;
const NEWLY = 10;
/** Subscribers in one transaction. */
const BATCH = 100;

/**
 * Writes the digest of every subscriber whose hour has come, with the time of the next one, in the same transaction: after
 * a crash either both are there or neither. A subscriber's date can be in the outbox once. An hour that went by on an
 * earlier day is left out, since its digest would come close to the next one. Gives how many were written.
 */
export async function scheduleDigests(
  db: Kysely<FeedSchema>,
  { now, domain }: { readonly now: Date; readonly domain: string },
): Promise<number> {
  let written = 0;
  for (;;) {
    const seen = await db.transaction().execute(async (tx) => {
      const due = await tx
        .selectFrom("subscribers")
        .selectAll()
        .where("status", "=", "confirmed")
        .where("next_digest_at", "<=", now)
        .orderBy("next_digest_at")
        .limit(BATCH)
        .forUpdate()
        .skipLocked()
        .execute();
      for (const subscriber of due) if (await write(tx, subscriber, now, domain)) written++;
      return due.length;
    });
    if (seen < BATCH) return written;
  }
}

async function write(tx: Transaction<FeedSchema>, subscriber: Subscriber, now: Date, domain: string): Promise<boolean> {
  const { id, hour, time_zone, topics, next_digest_at, last_digest_at, confirmed_at } = subscriber;
  const date = localDate(now, time_zone);
  const isToday = localDate(next_digest_at as Date, time_zone) === date;
  const next = { next_digest_at: nextHour(hour, time_zone, now) };
  if (!isToday) {
    await tx.updateTable("subscribers").set(next).where("id", "=", id).execute();
    return false;
  }
  const content = await contentOf(tx, date, topics, last_digest_at ?? confirmed_at ?? now, now);
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto("outbox")
    .values(
      letter("digest", id, newMessageId(domain), content, {
        ...{ now, localDate: date },
        // Midnight: then it is no longer that day's.
        expiresAt: nextHour(0, time_zone, now),
      }),
    )
    .onConflict((conflict) => conflict.constraint("outbox_once_a_day").doNothing())
    .executeTakeFirstOrThrow();
  const isNew = Number(numInsertedOrUpdatedRows ?? 0) > 0;
  await tx
    .updateTable("subscribers")
    .set(isNew ? { ...next, last_digest_at: now } : next)
    .where("id", "=", id)
    .execute();
  return isNew;
}

/** Nothing is looked for by words here. */
const noEmbedding = { name: "none", embed: () => null };

async function contentOf(
  tx: Transaction<FeedSchema>,
  date: string,
  topics: readonly string[],
  since: Date,
  now: Date,
): Promise<DigestContent> {
  const { papers } = await searchFeed(tx, noEmbedding, { sort: "trending", topics, limit: TRENDING, now });
  const fresh = await tx
    .selectFrom("papers")
    .select("slug")
    .where("runs_since", ">", since)
    .orderBy("runs_since", "desc")
    .execute();
  const running = await searchFeed(tx, noEmbedding, { runs: true, topics, limit: 1000, now });
  const newlyRuns = fresh.flatMap(({ slug }) => running.papers.find((paper) => paper.slug === slug) ?? []);
  return { date, trending: papers.map(inDigest), newlyRuns: newlyRuns.slice(0, NEWLY).map(inDigest) };
}

const inDigest = ({ slug, title, year, arxiv, summary, abstract, runs }: FoundRow): DigestPaper => ({
  ...{ slug, title, year, arxiv, runs },
  about: summary || (abstract.length > 280 ? `${abstract.slice(0, 280).replace(/\s+\S*$/, "")}…` : abstract),
});
