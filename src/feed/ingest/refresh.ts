/** New papers from arXiv and Hugging Face, into the database. */
import type { Kysely } from "kysely";
import { hubEndpoint } from "../../data/hub.ts";
import type { Embedding } from "../embedding.ts";
import { writeFound } from "../papers.ts";
import type { FeedSchema, PaperSource } from "../schema.ts";
import { isOfFeed } from "../topics.ts";
import { ARXIV, ARXIV_INTERVAL, ARXIV_PAGE, arxivAddress, parseArxiv } from "./arxiv.ts";
import { type Client, client, SourceError } from "./client.ts";
import { HUGGING_FACE_INTERVAL, huggingFaceAddress, parseHuggingFace } from "./hugging-face.ts";
import type { Parsed } from "./parsed.ts";

export const sourceNames = ["arxiv", "hugging-face"] as const;
export type SourceName = (typeof sourceNames)[number];

export interface RefreshOptions {
  readonly sources?: readonly SourceName[];
  /** Days to look back. */
  readonly days: number;
  /** Base addresses; by default `FOURWARD_ARXIV` and `HF_ENDPOINT`, else the public ones. */
  readonly bases?: Partial<Readonly<Record<SourceName, string>>>;
  readonly now?: Date;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { source: SourceName; pages: number; of: number }) => void;
  /** Milliseconds between requests and before further tries; what the sources ask for by default. */
  readonly interval?: number;
  readonly retryDelay?: number;
  readonly timeout?: number;
}

/** What came of one source. */
export interface Refreshed {
  readonly source: SourceName;
  /** Papers that are new to the database. */
  readonly added: number;
  /** Papers that are about feed-forward or Fourier networks, of those that it told of. */
  readonly kept: number;
  readonly told: number;
  /** Entries that were not as they should be. */
  readonly broken: number;
  /** Pages that had not changed since the last time. */
  readonly unchanged: number;
  /** Why it could not be used, or not to the end. */
  readonly failure: string | null;
}

/** Pages of arXiv in one refresh at most. */
const MOST_PAGES = 10;

/**
 * Asks the sources in turn for papers of the last days and keeps those that belong into the feed. What a page told is
 * written together with the note that it was read, so that stopping loses nothing. A source that fails does not keep the
 * others from being asked; the signal's abort does.
 */
export async function refreshFeed(
  db: Kysely<FeedSchema>,
  embedding: Embedding,
  options: RefreshOptions,
): Promise<readonly Refreshed[]> {
  const results: Refreshed[] = [];
  for (const source of options.sources ?? sourceNames)
    results.push(await refreshSource(db, embedding, source, options));
  return results;
}

const names: Readonly<Record<SourceName, string>> = { arxiv: "arXiv", "hugging-face": "Hugging Face" };

async function refreshSource(
  db: Kysely<FeedSchema>,
  embedding: Embedding,
  source: SourceName,
  options: RefreshOptions,
): Promise<Refreshed> {
  const { now = new Date(), days, signal, onProgress } = options;
  const counts = { added: 0, kept: 0, told: 0, broken: 0, unchanged: 0 };
  const since = now.getTime() - days * 86_400_000;
  const isArxiv = source === "arxiv";
  const base = options.bases?.[source] ?? (isArxiv ? process.env.FOURWARD_ARXIV || ARXIV : hubEndpoint());
  const addresses = isArxiv
    ? Array.from({ length: MOST_PAGES }, (_, page) => arxivAddress(base, page * ARXIV_PAGE))
    : Array.from({ length: days }, (_, back) => huggingFaceAddress(base, new Date(now.getTime() - back * 86_400_000)));
  try {
    const asked = await db
      .selectFrom("sources")
      .select((e) => e.fn.max("asked_at").as("at"))
      .where("source", "=", source)
      .executeTakeFirst();
    const { retryDelay, timeout, interval = isArxiv ? ARXIV_INTERVAL : HUGGING_FACE_INTERVAL } = options;
    const asking = client({
      ...{ name: names[source], interval, askedAt: asked?.at?.getTime() ?? 0 },
      ...(signal ? { signal } : {}),
      ...(retryDelay === undefined ? {} : { retryDelay }),
      ...(timeout === undefined ? {} : { timeout }),
    });
    for (const [pages, url] of addresses.entries()) {
      onProgress?.({ source, pages, of: addresses.length });
      const parsed = await readPage(db, asking, url, {
        source,
        embedding,
        parse: isArxiv ? parseArxiv : parseHuggingFace,
      });
      if (parsed === null) {
        counts.unchanged++;
        // Papers come latest first: what follows an unchanged page is unchanged too.
        if (isArxiv) break;
        continue;
      }
      counts.added += parsed.added;
      counts.kept += parsed.kept;
      counts.told += parsed.papers.length;
      counts.broken += parsed.broken;
      const isLast = parsed.papers.length + parsed.broken < ARXIV_PAGE;
      if (isArxiv && (isLast || parsed.papers.some(({ appearedAt }) => appearedAt.getTime() < since))) break;
    }
    return { source, ...counts, failure: null };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof SourceError)) throw error;
    return { source, ...counts, failure: error.message };
  }
}

interface PageContext {
  readonly source: Exclude<PaperSource, "catalogue">;
  readonly embedding: Embedding;
  readonly parse: (text: string) => Parsed;
}

/** A page that is written; null if it has not changed since it was. */
async function readPage(
  db: Kysely<FeedSchema>,
  asking: Client,
  url: string,
  { source, embedding, parse }: PageContext,
): Promise<(Parsed & { readonly added: number; readonly kept: number }) | null> {
  const known = await db
    .selectFrom("sources")
    .select(["etag", "last_modified as lastModified"])
    .where("url", "=", url)
    .executeTakeFirst();
  const answer = await asking.get(url, known);
  const asked_at = new Date();
  if (!answer.changed) {
    await db.updateTable("sources").set({ asked_at }).where("url", "=", url).execute();
    return null;
  }
  const parsed = parse(answer.body);
  const kept = parsed.papers.filter(({ topics }) => isOfFeed(topics));
  const added = await db.transaction().execute(async (tx) => {
    const row = { url, source, etag: answer.etag, last_modified: answer.lastModified, asked_at };
    await tx
      .insertInto("sources")
      .values(row)
      .onConflict((conflict) => conflict.column("url").doUpdateSet(row))
      .execute();
    return writeFound(tx, kept, source, { embedding, now: asked_at });
  });
  return { ...parsed, added, kept: kept.length };
}
