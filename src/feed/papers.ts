/** Papers of the catalogue and from elsewhere, written into the database. */
import { createHash } from "node:crypto";
import { type Kysely, type RawBuilder, sql, type Transaction } from "kysely";
import type { CatalogueEntry, Library } from "../papers/index.ts";
import { isImplemented } from "../papers/index.ts";
import type { Claims } from "../report/claim.ts";
import { type Embedding, fitEmbedding } from "./embedding.ts";
import type { FeedSchema, PaperSource, StudyFacts } from "./schema.ts";

/** A paper as arXiv or Hugging Face tells of it. */
export interface FoundPaper {
  /** Identifier without its version, e.g. `2511.01234`. */
  readonly arxiv: string;
  readonly title: string;
  readonly abstract: string;
  readonly authors: readonly string[];
  readonly appearedAt: Date;
  readonly topics: readonly string[];
}

/** The embedding of a catalogue's papers. */
export const embeddingOf = ({ catalogue }: Library): Embedding => fitEmbedding(catalogue.map(textOf));

const textOf = ({ title, name, summary, topics }: CatalogueEntry): string =>
  `${title}. ${name}. ${summary} ${topics.join(", ")}.`;

/** In pgvector's notation; null for a text without a vector. */
export function vectorText(embedding: Embedding, text: string): string | null {
  const vector = embedding.embed(text);
  return vector && `[${Array.from(vector, (x) => x.toFixed(6)).join(",")}]`;
}

/** Words for full-text search: those of the title weigh most, then summary and topics, then the abstract. */
const documentOf = (title: string, name: string, summary: string, topics: readonly string[], abstract: string) =>
  sql<string>`setweight(to_tsvector('english', ${`${title} ${name}`}), 'A')
    || setweight(to_tsvector('english', ${`${summary} ${topics.join(" ")}`}), 'B')
    || setweight(to_tsvector('english', ${abstract}), 'C')`;

/** When a paper of the catalogue appeared, as near as its facts say: arXiv identifiers begin with year and month. */
function appearedAt({ arxiv, year }: CatalogueEntry): Date {
  const [, yy, mm] = /^(\d\d)(\d\d)\./.exec(arxiv ?? "") ?? [];
  return new Date(Date.UTC(yy ? 2000 + Number(yy) : year, mm ? Number(mm) - 1 : 0, 1));
}

/** What a synchronization did. */
export interface Synchronized {
  readonly papers: number;
  readonly runs: number;
  /** Slugs of papers that run now and did not before; none when the database is new. */
  readonly newlyRuns: readonly string[];
}

export interface SyncOptions {
  readonly now?: Date;
  readonly quick?: boolean;
  /** Studies loaded so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Begun anew when what is written changes its form. */
const FORM = 3;

/**
 * Brings the catalogue's papers in the database to what the code says: facts, whether they run, what they claim. Papers
 * that the feed had from elsewhere become the catalogue's. Does nothing if nothing has changed since the last time. With
 * `quick`, claims and abstracts are not looked at, which saves loading the studies, if the papers and the list of those
 * that run are as they were.
 */
export async function syncCatalogue(
  db: Kysely<FeedSchema>,
  library: Library,
  { now = new Date(), quick = false, onProgress }: SyncOptions = {},
): Promise<Synchronized> {
  const { catalogue } = library;
  const runs = catalogue.filter((entry) => isImplemented(entry, library)).length;
  const embedding = embeddingOf(library);
  const list = hashOf([FORM, embedding.name, catalogue, Object.keys(library.studies)]);
  if (quick && (await factOf(db, "list of papers")) === list) return { papers: catalogue.length, runs, newlyRuns: [] };
  const claims = new Map<string, KnownStudy>();
  for (const [done, [slug, load]] of Object.entries(library.studies).entries()) {
    onProgress?.(done, Object.keys(library.studies).length);
    const study = await load();
    claims.set(slug, { claims: study.claims, abstract: study.abstract, seeds: study.seeds });
  }
  const fingerprint = hashOf([list, [...claims]]);
  return db.transaction().execute(async (tx) => {
    const known = await factOf(tx, "catalogue");
    if (known === fingerprint) return { papers: catalogue.length, runs, newlyRuns: [] };
    const newlyRuns: string[] = [];
    for (const entry of catalogue) {
      const study = claims.get(entry.slug);
      const isNews = await writeEntry(tx, entry, { study, embedding, now, isNew: known === undefined });
      if (isNews) newlyRuns.push(entry.slug);
    }
    await embedAgain(tx, embedding);
    await tx
      .insertInto("facts")
      .values([
        { key: "catalogue", value: fingerprint },
        { key: "list of papers", value: list },
      ])
      .onConflict((conflict) => conflict.column("key").doUpdateSet((e) => ({ value: e.ref("excluded.value") })))
      .execute();
    return { papers: catalogue.length, runs, newlyRuns };
  });
}

const hashOf = (content: unknown): string => createHash("sha256").update(JSON.stringify(content)).digest("hex");

async function factOf(db: Kysely<FeedSchema>, key: string): Promise<string | undefined> {
  return (await db.selectFrom("facts").select("value").where("key", "=", key).executeTakeFirst())?.value;
}

type KnownStudy = Omit<StudyFacts, "order"> & { readonly claims: Claims };

interface EntryContext {
  readonly study: KnownStudy | undefined;
  readonly embedding: Embedding;
  readonly now: Date;
  /** Whether the database is new. */
  readonly isNew: boolean;
}

/** Writes a paper of the catalogue; gives whether it is news that it runs. */
async function writeEntry(
  tx: Transaction<FeedSchema>,
  entry: CatalogueEntry,
  { study, embedding, now, isNew }: EntryContext,
): Promise<boolean> {
  const { slug, number, title, name, year, arxiv = null, summary, topics } = entry;
  const before = await tx
    .selectFrom("papers")
    .select(["id", "runs", "runs_since", "source", "abstract"])
    .where((e) => e.or([e("slug", "=", slug), ...(arxiv === null ? [] : [e("arxiv", "=", arxiv)])]))
    .executeTakeFirst();
  const isNews = study !== undefined && !before?.runs && !isNew;
  const values = {
    ...{ slug, number, title, name, year, arxiv, summary, topics: [...topics], source: "catalogue" as const },
    runs: study !== undefined,
    runs_since: isNews ? now : study ? (before?.runs_since ?? null) : null,
    claims: JSON.stringify(study?.claims ?? {}),
    study: study
      ? JSON.stringify({ abstract: study.abstract, seeds: study.seeds, order: Object.keys(study.claims) })
      : null,
    document: documentOf(title, name, summary, topics, `${study?.abstract ?? ""} ${before?.abstract ?? ""}`),
    embedding: vectorText(embedding, textOf(entry)),
    embedded_as: embedding.name,
  };
  if (before) await tx.updateTable("papers").set(values).where("id", "=", before.id).execute();
  else
    await tx
      .insertInto("papers")
      .values({ ...values, abstract: "", authors: [], appeared_at: appearedAt(entry), added_at: now })
      .execute();
  return isNews;
}

/** Gives papers whose vectors are of an earlier embedding new ones. */
async function embedAgain(tx: Transaction<FeedSchema>, embedding: Embedding): Promise<void> {
  const stale = await tx
    .selectFrom("papers")
    .select(["id", "title", "abstract"])
    .where("embedded_as", "is distinct from", embedding.name)
    .execute();
  for (const { id, title, abstract } of stale)
    await tx
      .updateTable("papers")
      .set({ embedding: vectorText(embedding, `${title}. ${abstract}`), embedded_as: embedding.name })
      .where("id", "=", id)
      .execute();
}

/**
 * Writes papers that arXiv or Hugging Face told of, by their identifier; gives how many are new. Facts of the catalogue
 * stay as they are: only date, authors and abstract are taken for them.
 */
export async function writeFound(
  db: Kysely<FeedSchema>,
  papers: readonly FoundPaper[],
  source: Exclude<PaperSource, "catalogue">,
  { embedding, now }: { embedding: Embedding; now: Date },
): Promise<number> {
  let added = 0;
  for (const { arxiv, title, abstract, authors, appearedAt: appeared_at, topics } of papers) {
    const common = { abstract, authors: [...authors], appeared_at };
    const own = {
      ...common,
      ...{ title, topics: [...topics], year: appeared_at.getUTCFullYear() },
      document: documentOf(title, "", "", topics, abstract),
      embedding: vectorText(embedding, `${title}. ${abstract}`),
      embedded_as: embedding.name,
    };
    const row = await db
      .insertInto("papers")
      .values({
        ...own,
        ...{ slug: `arxiv-${arxiv.replace("/", "-")}`, number: null, name: "", arxiv, summary: "", source },
        ...{ added_at: now, runs: false, runs_since: null, claims: "{}", study: null },
      })
      .onConflict((conflict) =>
        conflict.column("arxiv").doUpdateSet((e) => ({
          ...common,
          title: ownOnly(e.ref("papers.title"), title),
          topics: ownOnly(e.ref("papers.topics"), own.topics, sql`::text[]`),
          document: ownOnly(e.ref("papers.document"), own.document),
          embedding: ownOnly(e.ref("papers.embedding"), own.embedding, sql`::vector`),
        })),
      )
      .returning(sql<boolean>`xmax = 0`.as("isNew"))
      .executeTakeFirstOrThrow();
    if (row.isNew) added++;
  }
  return added;
}

/** What the catalogue has stays; a paper that is only in the feed takes what its source says now. */
const ownOnly = <T>(kept: unknown, told: unknown, cast: RawBuilder<unknown> = sql``): RawBuilder<T> =>
  sql<T>`case when papers.source = 'catalogue' then ${kept} else ${told}${cast} end`;
