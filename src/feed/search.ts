/** Search over the feed's papers: by words, by meaning, with filters, in three orders. */
import { type Kysely, type SelectQueryBuilder, sql } from "kysely";
import type { Embedding } from "./embedding.ts";
import { vectorText } from "./papers.ts";
import type { FeedSchema } from "./schema.ts";
import { scores } from "./trending.ts";

export const sortOrders = ["relevance", "trending", "newest"] as const;
export type SortOrder = (typeof sortOrders)[number];

export interface SearchOptions {
  /** What is looked for, in words; none: all papers. */
  readonly query?: string;
  /** Only papers with one of these names. */
  readonly slugs?: readonly string[];
  /** Papers must have one of these. */
  readonly topics?: readonly string[];
  /** Only papers that run, or only those that do not. */
  readonly runs?: boolean;
  /** Years from and to, both included. */
  readonly from?: number;
  readonly to?: number;
  /** By default relevance where there is a query, else newest. */
  readonly sort?: SortOrder;
  readonly limit?: number;
  readonly offset?: number;
  /** The time at which trending is reckoned. */
  readonly now?: Date;
}

/** A paper that was found. */
export interface FoundRow {
  readonly slug: string;
  readonly number: number | null;
  readonly title: string;
  readonly name: string;
  readonly year: number;
  readonly arxiv: string | null;
  readonly summary: string;
  readonly abstract: string;
  readonly authors: readonly string[];
  readonly topics: readonly string[];
  readonly source: string;
  readonly appearedAt: Date;
  readonly runs: boolean;
  /** See `trending.ts`. */
  readonly trending: number;
}

/** A page of what was found. */
export interface SearchPage {
  /** How many there are in all. */
  readonly total: number;
  readonly papers: readonly FoundRow[];
}

/** Cosine from which a paper counts as found by its meaning; texts that share nothing are near 0. */
const CLOSE = 0.3;
/** Papers that are found by meaning alone, at most. */
const CLOSEST = 50;
/** Constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009). */
const FUSION = 60;

type Filtered = SelectQueryBuilder<FeedSchema, "papers", object>;

/**
 * Papers that have words of the query in any form, or are close to it in meaning, and pass the filters. Relevance joins
 * the ranks of both searches by reciprocal rank fusion, so that neither's scale matters: on questions in other words than
 * the papers' it comes close to meaning alone (mean reciprocal rank 0.77 and 0.80, words alone 0.61), and it finds exact
 * words of long abstracts, which weigh little in a vector.
 */
export async function searchFeed(
  db: Kysely<FeedSchema>,
  embedding: Embedding,
  options: SearchOptions = {},
): Promise<SearchPage> {
  const { query = "", limit = 20, offset = 0, now = new Date() } = options;
  const isAsked = query.trim() !== "";
  const sort = options.sort ?? (isAsked ? "relevance" : "newest");
  const found = isAsked ? await relevant(db, embedding, query, options) : null;
  const ids = found && [...found.keys()];
  if (ids?.length === 0) return { total: 0, papers: [] };
  const filtered = () =>
    filter(db.selectFrom("papers"), options).$if(ids !== null, (q) => q.where("id", "in", ids ?? []));
  const { total } = await filtered()
    .select((e) => e.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  const ordered = sort === "relevance" && ids !== null ? ids.slice(offset, offset + limit) : null;
  if (ordered?.length === 0) return { total, papers: [] };
  const papers = await filtered()
    .leftJoin(scores(now).as("s"), (join) => join.onRef("s.paper_id", "=", "papers.id"))
    .select(["id", "slug", "number", "title", "name", "year", "arxiv", "summary", "abstract", "authors", "topics"])
    .select(["source", "appeared_at as appearedAt", "runs", sql<number>`coalesce(s.score, 0)`.as("trending")])
    .$if(ordered !== null, (q) => q.where("id", "in", ordered ?? []))
    .$if(ordered === null && sort === "trending", (q) => q.orderBy("trending", "desc"))
    .$if(ordered === null, (q) => q.orderBy("appeared_at", "desc").orderBy("id").limit(limit).offset(offset))
    .execute();
  if (ordered) papers.sort((a, b) => ordered.indexOf(a.id) - ordered.indexOf(b.id));
  return { total, papers: papers.map(({ id: _, ...paper }) => paper) };
}

function filter(papers: Filtered, { slugs, topics = [], runs, from, to }: SearchOptions): Filtered {
  return papers
    .$if(slugs !== undefined, (q) => q.where("slug", "in", [...(slugs as readonly string[])]))
    .$if(topics.length > 0, (q) => q.where("topics", sql`&&`, sql<string[]>`${[...topics]}::text[]`))
    .$if(runs !== undefined, (q) => q.where("runs", "=", runs === true))
    .$if(from !== undefined, (q) => q.where("year", ">=", from as number))
    .$if(to !== undefined, (q) => q.where("year", "<=", to as number));
}

/** Identifiers of the papers that a query means with their scores, best first. */
async function relevant(
  db: Kysely<FeedSchema>,
  embedding: Embedding,
  query: string,
  options: SearchOptions,
): Promise<ReadonlyMap<number, number>> {
  // Any of the words: texts are short, and those with more of them rank higher. What words there are PostgreSQL says.
  const words = sql<string>`(select string_agg(quote_literal(word), ' | ')::tsquery
    from unnest(tsvector_to_array(to_tsvector('english', ${query}))) as word)`;
  const byWords = await filter(db.selectFrom("papers"), options)
    .select("id")
    .where(sql<boolean>`document @@ ${words}`)
    .orderBy(sql`ts_rank_cd(document, ${words}, 1)`, "desc")
    .orderBy("id")
    .execute();
  const vector = vectorText(embedding, query);
  const byMeaning =
    vector === null
      ? []
      : await filter(db.selectFrom("papers"), options)
          .select("id")
          .where(sql<boolean>`1 - (embedding <=> ${vector}::vector) >= ${CLOSE}`)
          .orderBy(sql`embedding <=> ${vector}::vector`)
          .orderBy("id")
          .limit(CLOSEST)
          .execute();
  const fused = new Map<number, number>();
  for (const list of [byWords, byMeaning])
    for (const [rank, { id }] of list.entries()) fused.set(id, (fused.get(id) ?? 0) + 1 / (FUSION + rank + 1));
  return new Map([...fused].sort((a, b) => b[1] - a[1] || a[0] - b[0]));
}
