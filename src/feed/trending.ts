/**
 * What is trending: votes and reads, which fade with time.
 *
 *     score(paper, t) = Σ over networks  min( 15,  Σ over its visitors  4·2^(−(t − t_vote)/72 h) + 1·2^(−(t − t_read)/72 h) )
 *
 * A visitor counts in a paper with one vote, at the time of its first, and one read, at the time of its last: at most 5,
 * however often they come back, vote or take votes back. Visitors of one network together count as three at most, so that
 * forgetting one's cookies makes nobody a crowd. Visitors and networks are kept as keyed hashes.
 */
import { createHmac, randomBytes } from "node:crypto";
import { type Kysely, type RawBuilder, sql } from "kysely";
import type { FeedSchema } from "./schema.ts";

/** Weight of a vote, in reads. */
export const VOTE_WEIGHT = 4;
/** Hours in which a vote or read loses half of its weight. */
export const HALF_LIFE_HOURS = 72;
/** What the visitors of one network count at most in a paper: three that have voted and read just now. */
export const NETWORK_MOST = 3 * (VOTE_WEIGHT + 1);

/** Who votes and reads. */
export interface Visitor {
  /** A name that stays with the visitor, such as a cookie's value. */
  readonly id: string;
  /** The network the visitor comes from, such as the first 24 bits of an IPv4 address or 64 of an IPv6 address. */
  readonly network: string;
}

/** The score of every paper that has one, at a time: rows of `paper_id` and `score`, to join with. */
export const scores = (at: Date): RawBuilder<{ paper_id: number; score: number }> => sql`(
  select paper_id, sum(least(${sql.lit(NETWORK_MOST)}, weight))::float8 as score
  from (
    select paper_id, network, sum(weight) as weight
    from (
      select paper_id, network, ${sql.lit(VOTE_WEIGHT)} * ${faded(sql`voted_at`, at)} as weight from votes where active
      union all
      select paper_id, network, ${faded(sql`read_at`, at)} as weight from reads
    ) as single
    group by paper_id, network
  ) as networks
  group by paper_id
)`;

const faded = (time: RawBuilder<unknown>, at: Date) =>
  sql`power(0.5::float8, greatest(0, extract(epoch from (${at.toISOString()}::timestamptz - ${time})))::float8
    / ${sql.lit(HALF_LIFE_HOURS * 3600)})`;

/** Notes that a visitor has read a paper's page. Throws one sentence for a paper that is not there. */
export async function recordRead(db: Kysely<FeedSchema>, slug: string, visitor: Visitor, now: Date): Promise<void> {
  const row = { paper_id: await paperId(db, slug), ...(await hashedVisitor(db, visitor)), read_at: now };
  await db
    .insertInto("reads")
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(["paper_id", "visitor"])
        .doUpdateSet({ network: row.network, read_at: sql`greatest(reads.read_at, excluded.read_at)` }),
    )
    .execute();
}

/** Gives a visitor's vote to a paper, or takes it back. Throws one sentence for a paper that is not there. */
export async function recordVote(
  db: Kysely<FeedSchema>,
  slug: string,
  visitor: Visitor,
  active: boolean,
  now: Date,
): Promise<void> {
  const row = { paper_id: await paperId(db, slug), ...(await hashedVisitor(db, visitor)), voted_at: now, active };
  await db
    .insertInto("votes")
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(["paper_id", "visitor"]).doUpdateSet({ network: row.network, active: row.active }),
    )
    .execute();
}

async function paperId(db: Kysely<FeedSchema>, slug: string): Promise<number> {
  const row = await db.selectFrom("papers").select("id").where("slug", "=", slug).executeTakeFirst();
  if (!row) throw new RangeError(`feed: there is no paper ${JSON.stringify(slug)}`);
  return row.id;
}

/** A visitor as the database keeps them: without the key, which stays in it, nobody can tell who was here. */
export async function hashedVisitor(
  db: Kysely<FeedSchema>,
  { id, network }: Visitor,
): Promise<{ readonly visitor: string; readonly network: string }> {
  const key = await visitorKey(db);
  const hash = (kind: string, text: string) =>
    createHmac("sha256", key).update(`${kind}\0${text}`).digest("base64url").slice(0, 22);
  return { visitor: hash("visitor", id), network: hash("network", network) };
}

/** The key of visitors' hashes, random, made when it is first asked for. */
export async function visitorKey(db: Kysely<FeedSchema>): Promise<string> {
  await db
    .insertInto("facts")
    .values({ key: "visitor key", value: randomBytes(32).toString("base64url") })
    .onConflict((conflict) => conflict.column("key").doNothing())
    .execute();
  return (await db.selectFrom("facts").select("value").where("key", "=", "visitor key").executeTakeFirstOrThrow())
    .value;
}
