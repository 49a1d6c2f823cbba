/** Papers as the API tells of them. */
import { type Kysely, sql } from "kysely";
import { z } from "zod";
import { type Embedding, type FeedSchema, type FoundRow, latestMeasurements, searchFeed } from "../feed/index.ts";
import type { Library } from "../papers/index.ts";
import type { ClaimResult } from "../report/result.ts";
import { scales } from "../report/study.ts";
import { PAGE_SIZE, type PaperCard, type PaperDetail, type PaperList, type PaperQuery, type TopicList } from "./api.ts";
import { studyCommand } from "./runs/study.ts";

/** What papers are read from. */
export interface PaperSource {
  readonly db: Kysely<FeedSchema>;
  readonly embedding: Embedding;
  readonly library: Library;
  /** Whether studies can be run here. */
  readonly runsHere: boolean;
  /** Whether a study can run in a browser, as the client says. */
  readonly runsInBrowser: (slug: string) => PaperDetail["runsInBrowser"];
  /** A program that uses the parts of a paper; where there is none, one that runs its study is shown. */
  readonly sampleOf?: (slug: string) => string | undefined;
}

/** Letters of an abstract that stand for it in a list. */
const ABOUT = 280;

const shortened = (text: string): string =>
  text.length > ABOUT ? `${text.slice(0, ABOUT).replace(/\s+\S*$/, "")}…` : text;

/** A page of papers that were looked for. */
export async function listPapers({ db, embedding }: PaperSource, query: PaperQuery, now: Date): Promise<PaperList> {
  const { q, topic, runs, from, to, page } = query;
  const sort = query.sort ?? (q === "" ? "trending" : "relevance");
  const { total, papers } = await searchFeed(db, embedding, {
    ...{ query: q, topics: topic, sort, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE, now },
    ...(runs ? { runs } : {}),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  });
  return {
    query: { q, topic, runs, from: from ?? null, to: to ?? null, sort, page },
    total,
    pages: Math.ceil(total / PAGE_SIZE),
    papers: await cards(db, papers),
  };
}

/** Papers of a list with their votes and verdicts. */
async function cards(db: Kysely<FeedSchema>, papers: readonly FoundRow[]): Promise<PaperCard[]> {
  const slugs = papers.map(({ slug }) => slug);
  const votes = await votesOf(db, slugs);
  const verdicts = await verdictsOf(db, slugs);
  return papers.map((paper) => ({
    ...{ slug: paper.slug, number: paper.number, title: paper.title, name: paper.name, year: paper.year },
    ...{ arxiv: paper.arxiv, topics: [...paper.topics], source: sourceSchema.parse(paper.source), runs: paper.runs },
    about: paper.summary || shortened(paper.abstract),
    appearedAt: paper.appearedAt.toISOString(),
    trending: paper.trending,
    votes: votes.get(paper.slug) ?? 0,
    verdicts: verdicts.get(paper.slug) ?? null,
  }));
}

const sourceSchema = z.enum(["catalogue", "arxiv", "hugging-face"]);

/** How many visitors' votes papers have. */
export async function votesOf(db: Kysely<FeedSchema>, slugs: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (slugs.length === 0) return new Map();
  const rows = await db
    .selectFrom("votes as v")
    .innerJoin("papers as p", "p.id", "v.paper_id")
    .select((e) => ["p.slug", e.fn.countAll<number>().as("votes")])
    .where("v.active", "=", true)
    .where("p.slug", "in", [...slugs])
    .groupBy("p.slug")
    .execute();
  return new Map(rows.map(({ slug, votes }) => [slug, votes]));
}

type Verdicts = NonNullable<PaperCard["verdicts"]>;

/** What became of papers' claims at the largest scale that was measured. */
async function verdictsOf(db: Kysely<FeedSchema>, slugs: readonly string[]): Promise<ReadonlyMap<string, Verdicts>> {
  if (slugs.length === 0) return new Map();
  const rows = await db
    .selectFrom("measurements as m")
    .innerJoin("papers as p", "p.id", "m.paper_id")
    .distinctOn("p.slug")
    .select(["p.slug", "m.scale", "m.claims"])
    .where("p.slug", "in", [...slugs])
    .orderBy("p.slug")
    .orderBy(sql`array_position(${sql.lit(`{${[...scales].reverse().join(",")}}`)}::text[], m.scale)`)
    .orderBy("m.started_at", "desc")
    .execute();
  return new Map(rows.map(({ slug, scale, claims }) => [slug, { scale, ...counted(claims) }]));
}

const counted = (claims: readonly ClaimResult[]): Omit<Verdicts, "scale"> => {
  const of = (verdict: ClaimResult["verdict"]) => claims.filter((claim) => claim.verdict === verdict).length;
  return { holds: of("holds"), fails: of("fails"), inconclusive: of("inconclusive") };
};

/** Everything about a paper; null if there is none of this name. */
export async function showPaper(
  { db, library, runsHere, runsInBrowser, sampleOf }: PaperSource,
  slug: string,
  now: Date,
): Promise<PaperDetail | null> {
  const row = await db
    .selectFrom("papers")
    .select(["id", "claims", "study"])
    .where("slug", "=", slug)
    .executeTakeFirst();
  if (!row) return null;
  const { papers } = await searchFeed(db, noEmbedding, { slugs: [slug], now });
  const [paper] = papers;
  if (!paper) return null;
  const related = await relatedTo(db, row.id, now);
  const [card, ...others] = await cards(db, [paper, ...related]);
  // The database may know a study that this version has not.
  const study = Object.hasOwn(library.studies, slug) ? row.study : null;
  const claims = Object.entries(row.claims);
  const order = study?.order ?? [];
  claims.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  return {
    ...(card as PaperCard),
    ...{ summary: paper.summary, abstract: paper.abstract, authors: [...paper.authors] },
    study: study?.abstract ?? "",
    links: linksOf(paper),
    claims: claims.map(([id, { what, figure, unit, direction, tolerance = 0, where }]) => ({
      ...{ id, what, figure, unit, direction, tolerance, where },
    })),
    measurements: (await latestMeasurements(db, slug)).map(({ startedAt, claims, ...rest }) => ({
      ...rest,
      startedAt: startedAt.toISOString(),
      claims: claims.map((claim) => ({ ...claim, spread: { ...claim.spread } })),
    })),
    related: others,
    code: study
      ? { typescript: sampleOf?.(slug) ?? studyProgram(slug), command: studyCommand(slug, "small", undefined) }
      : null,
    runsHere: study && runsHere ? { seeds: { smoke: study.seeds.smoke, small: study.seeds.small } } : null,
    runsInBrowser: study ? runsInBrowser(slug) : { can: false, why: "there is no study of this paper yet" },
  };
}

/** Nothing is looked for by words where the papers are known. */
const noEmbedding: Embedding = { name: "none", embed: () => null };

const RELATED = 5;

/** Papers that are nearest in meaning. */
async function relatedTo(db: Kysely<FeedSchema>, id: number, now: Date): Promise<readonly FoundRow[]> {
  const near = await db
    .selectFrom("papers as p")
    .innerJoin("papers as own", (join) => join.on("own.id", "=", id))
    .select("p.slug")
    .where("p.id", "!=", id)
    .where("p.embedding", "is not", null)
    .where("own.embedding", "is not", null)
    .orderBy(sql`p.embedding <=> own.embedding`)
    .limit(RELATED)
    .execute();
  const slugs = near.map(({ slug }) => slug);
  if (slugs.length === 0) return [];
  const { papers } = await searchFeed(db, noEmbedding, { slugs, now });
  return [...papers].sort((a, b) => slugs.indexOf(a.slug) - slugs.indexOf(b.slug));
}

/** Where a paper can be read. Identifiers come from outside: only those of arXiv's forms make an address. */
function linksOf({ arxiv, source }: FoundRow): PaperDetail["links"] {
  if (arxiv === null || !/^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?\/\d{7})$/.test(arxiv)) return [];
  const links = [
    { label: `arXiv:${arxiv}`, url: `https://arxiv.org/abs/${arxiv}` },
    { label: "PDF", url: `https://arxiv.org/pdf/${arxiv}` },
  ];
  return source === "hugging-face"
    ? [...links, { label: "Hugging Face", url: `https://huggingface.co/papers/${arxiv}` }]
    : links;
}

/** The program that runs a study, as a user of the package writes it. */
const studyProgram = (slug: string): string => `import { findPaper, studies } from "fourward/papers";
import { runStudy } from "fourward/report";

const { slug } = findPaper(${JSON.stringify(slug)});
const study = await studies[slug]?.();
if (study) {
  const { claims } = await runStudy(study, {
    scale: "smoke", // "small" measures the claims, in minutes
    device: "cpu",
    out: "reports",
    command: "node program.ts",
    onProgress: ({ stage, done, total }) => console.error(stage, done, "of", total),
  });
  for (const { text, published, measured, verdict } of claims) console.log(text, published, measured, verdict);
}
`;

/** The topics of all papers, those with most papers first. */
export async function listTopics({ db }: PaperSource): Promise<TopicList> {
  const rows = await db
    .selectFrom(sql<{ topic: string; runs: boolean }>`(select unnest(topics) as topic, runs from papers)`.as("t"))
    .select((e) => [
      "topic",
      e.fn.countAll<number>().as("papers"),
      sql<number>`count(*) filter (where runs)`.as("runs"),
    ])
    .groupBy("topic")
    .orderBy("papers", "desc")
    .orderBy("topic")
    .execute();
  return { topics: rows };
}
