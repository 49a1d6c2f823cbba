/** `fourward feed refresh` and `fourward feed search` */
import {
  embeddingOf,
  type Feed,
  latestMeasurements,
  openFeed,
  type Refreshed,
  refreshFeed,
  type SearchOptions,
  type SourceName,
  searchFeed,
  syncCatalogue,
  takeReports,
} from "../feed/index.ts";
import type { Library } from "../papers/index.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { ProgressLine } from "./progress.ts";
import { columns } from "./text.ts";

/** Opens the feed's database; making a new one takes seconds, which is said. */
export const openWithNotice = (quiet: boolean | undefined): Promise<Feed> =>
  openFeed({
    onCreate: () => {
      if (!quiet) process.stderr.write("making the feed's database, once...\n");
    },
  });

export interface FeedRefreshFlags {
  readonly sources?: readonly SourceName[];
  readonly days: number;
  /** Folder of reports of studies that were run here. */
  readonly reports: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Brings catalogue, measurements and papers from elsewhere up to date. */
export async function refresh(library: Library, flags: FeedRefreshFlags): Promise<void> {
  let line = new ProgressLine();
  const interrupts = listenForInterrupts(() => {
    line.end();
    process.stderr.write("stopping; press again to stop at once\n");
  });
  const show = (stage: string, done: number, total: number, unit: string) => {
    if (!flags.quiet && !interrupts.signal.aborted) line.update({ stage, done, total, unit });
  };
  const feed = await openWithNotice(flags.quiet);
  try {
    const catalogue = await syncCatalogue(feed.db, library, {
      onProgress: (done, total) => show("reading studies", done, total, "studies"),
    });
    interrupts.signal.throwIfAborted();
    const reports = await takeReports(feed.db, flags.reports);
    // Rate and time left are those of the network now.
    line.end();
    line = new ProgressLine();
    for (const broken of reports.broken) process.stderr.write(`left out ${broken}\n`);
    const sources = await refreshFeed(feed.db, embeddingOf(library), {
      days: flags.days,
      signal: interrupts.signal,
      ...(flags.sources ? { sources: flags.sources } : {}),
      onProgress: ({ source, pages, of }) => show(`asking ${source}`, pages, of, "pages"),
    });
    line.end();
    if (flags.json) process.stdout.write(`${JSON.stringify({ catalogue, reports, sources }, null, 2)}\n`);
    else {
      const { papers, runs, newlyRuns } = catalogue;
      process.stdout.write(`catalogue: ${papers} papers, ${runs} run\n`);
      if (newlyRuns.length > 0) process.stdout.write(`run since the last time: ${newlyRuns.join(", ")}\n`);
      if (reports.taken > 0) process.stdout.write(`reports: ${reports.taken} taken\n`);
      for (const source of sources) if (source.failure === null) process.stdout.write(`${outcomeText(source)}\n`);
    }
    const failed = sources.filter(({ failure }) => failure !== null);
    if (failed.length > 0)
      throw new Error(
        `${failed.map(({ failure }) => failure).join("; ")}; what is here can still be searched, and the same command tries again when you are online`,
      );
  } catch (error) {
    line.end();
    if (!interrupts.signal.aborted) throw error;
    process.stderr.write("stopped; what was read is kept\n");
    process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
    await feed.close();
  }
}

function outcomeText({ source, added, kept, told, broken, unchanged }: Refreshed): string {
  const parts = [`${added} new of ${kept} that belong here, ${told} in all`];
  if (broken > 0) parts.push(`${broken} entries not as they should be, left out`);
  if (unchanged > 0) parts.push(`${unchanged} pages unchanged`);
  return `${source}: ${parts.join("; ")}`;
}

export interface FeedSearchFlags {
  readonly topic?: readonly string[];
  readonly implemented?: boolean;
  readonly from?: number;
  readonly to?: number;
  readonly sort?: NonNullable<SearchOptions["sort"]>;
  readonly limit: number;
  readonly json?: boolean;
}

/** Prints papers of the feed: the catalogue and what came from elsewhere. */
export async function search(library: Library, words: readonly string[], flags: FeedSearchFlags): Promise<void> {
  const feed = await openWithNotice(flags.json);
  try {
    await syncCatalogue(feed.db, library, { quick: true });
    const query = words.join(" ");
    const { total, papers } = await searchFeed(feed.db, embeddingOf(library), {
      query,
      limit: flags.limit,
      ...(flags.topic ? { topics: flags.topic } : {}),
      ...(flags.implemented ? { runs: true } : {}),
      ...(flags.from === undefined ? {} : { from: flags.from }),
      ...(flags.to === undefined ? {} : { to: flags.to }),
      ...(flags.sort ? { sort: flags.sort } : {}),
    });
    if (flags.json) {
      const found = [];
      for (const paper of papers) {
        const measurements = paper.number === null ? [] : await latestMeasurements(feed.db, paper.slug);
        found.push({ ...paper, measurements });
      }
      process.stdout.write(`${JSON.stringify({ total, papers: found }, null, 2)}\n`);
    } else if (papers.length === 0) process.stdout.write(`no paper matches${query && ` "${query}"`}\n`);
    else {
      const rows = papers.map(({ runs, slug, year, title }) => [runs ? "runs" : "", slug, String(year), title]);
      process.stdout.write(`${columns([["", "paper", "year", "title"], ...rows])}\n`);
      if (total > papers.length) process.stdout.write(`${total - papers.length} more; --limit ${total} shows them\n`);
    }
  } finally {
    await feed.close();
  }
}
