/** What all routes work with. */
import type { Feed, RunRow, Visitor } from "../feed/index.ts";
import { hashedVisitor } from "../feed/index.ts";
import { EMBEDDED_MODEL } from "../models/embedded.ts";
import type { Answers } from "./answers.ts";
import type { Session } from "./api.ts";
import type { Rates } from "./guard.ts";
import type { Metrics } from "./metrics.ts";
import type { PaperSource } from "./papers.ts";
import type { QueueLimits } from "./runs/queue.ts";
import { aheadOf, queueLength, runJson } from "./runs/read.ts";
import type { Runner } from "./runs/runner.ts";
import type { Site } from "./site.ts";
import { type AccessOptions, accessOf, knownVisitor, type StudioContext } from "./visitor.ts";

/** The parts of a studio. */
export interface Studio {
  readonly feed: Feed;
  readonly papers: PaperSource;
  readonly runner: Runner;
  readonly runsFolder: string;
  /** Folders of models by name, beside the embedded one. */
  readonly models: Readonly<Record<string, string>>;
  readonly access: AccessOptions;
  readonly limits: QueueLimits;
  readonly rates: Rates;
  readonly answers: Answers;
  readonly metrics: Metrics;
  /** Null where the client has not been built. */
  readonly site: Site | null;
  /** Domain of letters; null where none are sent. */
  readonly mailDomain: string | null;
  /** Called when a letter that asks for confirmation waits to be sent. */
  readonly onSubscribed: () => void;
  readonly version: string;
  /** Aborted when it stops. */
  readonly stopping: AbortSignal;
  readonly now: () => Date;
}

/** The hash that a visitor's runs are known by; empty for one without a cookie, who has none. */
export async function ownHash({ feed, access }: Studio, c: StudioContext): Promise<string> {
  const visitor = knownVisitor(c, access);
  return visitor ? (await hashedVisitor(feed.db, visitor)).visitor : "";
}

/** What a visitor may do and has done. */
export async function sessionOf(studio: Studio, c: StudioContext, visitor: Visitor | null): Promise<Session> {
  const { feed, access, limits, mailDomain } = studio;
  const { may, why } = accessOf(c, access);
  const hash = visitor ? (await hashedVisitor(feed.db, visitor)).visitor : "";
  const votes = hash
    ? await feed.db
        .selectFrom("votes as v")
        .innerJoin("papers as p", "p.id", "v.paper_id")
        .select("p.slug")
        .where("v.visitor", "=", hash)
        .where("v.active", "=", true)
        .execute()
    : [];
  const { own } = hash ? await queueLength(feed.db, hash) : { own: 0 };
  const isFull = own >= limits.atOnce;
  return {
    mayRun: may && !isFull,
    why: why ?? (isFull ? `you have ${own} runs that wait or run; wait for one to end, or cancel it` : null),
    needsToken: !may && access.token !== null,
    limits: { atOnce: limits.atOnce, perHour: limits.perHour },
    active: own,
    votes: votes.map(({ slug }) => slug),
    sendsMail: mailDomain !== null,
  };
}

/** A run as one visitor sees it. */
export const runFor = async ({ feed }: Studio, row: RunRow, visitor: string) =>
  runJson(row, { ahead: await aheadOf(feed.db, row), visitor });

/** Names of the models that runs can be started on. */
export const modelNames = ({ models }: Studio): readonly string[] => [EMBEDDED_MODEL, ...Object.keys(models)];
