/** Tables of the feed's database, as its queries see them. */
import type { ColumnType, Generated, Insertable, Selectable } from "kysely";
import type { Claim } from "../report/claim.ts";
import type { ClaimResult } from "../report/result.ts";
import type { Scale } from "../report/study.ts";

/** Written as JSON text, read as what it says. */
type Json<T> = ColumnType<T, string, string>;
type JsonOrNull<T> = ColumnType<T | null, string | null, string | null>;

/** Where a paper was found. */
export type PaperSource = "catalogue" | "arxiv" | "hugging-face";

/** Facts of a study. */
export interface StudyFacts {
  /** What the paper says, in our own words. */
  readonly abstract: string;
  /** How many seeds each scale has by default. */
  readonly seeds: Readonly<Record<Scale, number>>;
  /** Its claims in their order, which the database's JSON does not keep. */
  readonly order: readonly string[];
}

export interface PapersTable {
  id: Generated<number>;
  /** Name in addresses and on the command line; `arxiv-<identifier>` for a paper that is only in the feed. */
  slug: string;
  /** Its number in the catalogue; null for a paper that is only in the feed. */
  number: number | null;
  title: string;
  /** What people call it; empty where it has no other name than its title. */
  name: string;
  year: number;
  arxiv: string | null;
  /** In our own words; empty for a paper that is only in the feed. */
  summary: string;
  /** The authors' own words, as their source gives them; empty where none are known. */
  abstract: string;
  authors: string[];
  topics: string[];
  source: PaperSource;
  /** When it appeared: to the second where its source says so, else the first day of its month or year. */
  appeared_at: Date;
  added_at: Date;
  /** Whether its study can be run. */
  runs: boolean;
  /** Since when it runs; null for one that ran when the database was made, which is no news. */
  runs_since: Date | null;
  claims: Json<Readonly<Record<string, Claim>>>;
  /** What is known of its study without loading it; null for a paper that does not run. */
  study: JsonOrNull<StudyFacts>;
  /** Words for full-text search, by weight. */
  document: string;
  /** Vector for semantic search, in pgvector's notation. */
  embedding: string | null;
  /** Which embedding it is. */
  embedded_as: string | null;
}

export interface MeasurementsTable {
  paper_id: number;
  scale: Scale;
  started_at: Date;
  seconds: number;
  /** False at smoke scale. */
  evidence: boolean;
  command: string;
  claims: Json<readonly ClaimResult[]>;
}

export interface VotesTable {
  paper_id: number;
  /** Keyed hash of the visitor. */
  visitor: string;
  /** Keyed hash of the network that the visitor came from. */
  network: string;
  /** The first time; taking a vote back and giving it again does not make it younger. */
  voted_at: Date;
  active: boolean;
}

export interface ReadsTable {
  paper_id: number;
  visitor: string;
  network: string;
  /** The last time. */
  read_at: Date;
}

/** Single values: the fingerprint of the catalogue, the key of visitors' hashes. */
export interface FactsTable {
  key: string;
  value: string;
}

/** What a source of papers said at its last answer, so that it need not say it again. */
export interface SourcesTable {
  url: string;
  source: string;
  etag: string | null;
  last_modified: string | null;
  asked_at: Date;
}

export type SubscriberStatus = "pending" | "confirmed" | "unsubscribed" | "suppressed";

export interface SubscribersTable {
  id: Generated<number>;
  /** The address with its domain in lower case. */
  email: string;
  /** The whole address in lower case, which is unique. */
  email_key: string;
  /** Empty: all topics. */
  topics: string[];
  /** Hour of the day, 0 to 23, in `time_zone`. */
  hour: number;
  /** IANA name, e.g. `Europe/Vienna`. */
  time_zone: string;
  status: SubscriberStatus;
  /** Why nothing is sent any more. */
  suppressed: "bounce" | "complaint" | null;
  created_at: Date;
  confirmed_at: Date | null;
  /** When the last letter that asks for confirmation was written. */
  asked_at: Date | null;
  /** When the next digest is due. */
  next_digest_at: Date | null;
  /** When the last digest was written. */
  last_digest_at: Date | null;
}

export type TokenPurpose = "confirm" | "unsubscribe";

export interface TokensTable {
  /** SHA-256 of the token; the token itself is only in the letter. */
  hash: string;
  subscriber_id: number;
  purpose: TokenPurpose;
  expires_at: Date;
  used_at: Date | null;
}

export type LetterKind = "confirm" | "digest";

/**
 * `queued`: to be sent; `closing`: all but the end of it has been sent, see `send.ts`; `sent`; `failed`: refused for
 * good; `expired`: its day went by before it could be sent.
 */
export type LetterStatus = "queued" | "closing" | "sent" | "failed" | "expired";

export interface OutboxTable {
  id: Generated<number>;
  kind: LetterKind;
  subscriber_id: number;
  /** The subscriber's date of a digest, `2026-11-24`; unique with the subscriber. */
  local_date: string | null;
  /** Message-ID without brackets; its random part proves that who knows it has seen the letter. */
  message_id: string;
  content: Json<unknown>;
  status: Generated<LetterStatus>;
  attempts: Generated<number>;
  created_at: Date;
  /** Not to be tried before. */
  due_at: Date;
  /** Not to be tried after. */
  expires_at: Date;
  /** Which sender has it in hand, and until when. */
  claimed_by: string | null;
  claimed_until: Date | null;
  sent_at: Date | null;
  /** Why the last try failed, without addresses. */
  failure: string | null;
}

export type RunState = "queued" | "running" | "done" | "failed" | "cancelled";

/** Runs that visitors of the studio started, in the order in which they are to be done. */
export interface RunsTable {
  /** Random, for addresses. */
  id: string;
  place: Generated<number>;
  /** What is to be done. */
  request: Json<unknown>;
  title: string;
  /** Keyed hashes, as with votes. */
  visitor: string;
  network: string;
  state: Generated<RunState>;
  /** How often it was begun. */
  attempts: Generated<number>;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  /** Which server has it in hand, and when that last said so. */
  claimed_by: string | null;
  heartbeat_at: Date | null;
  /** Whether its visitor wants it to end. */
  cancel_asked: Generated<boolean>;
  progress: JsonOrNull<unknown>;
  /** Why it failed, in one sentence. */
  failure: string | null;
  /** What came of it: outcome, figures, notes, names of files. */
  result: JsonOrNull<unknown>;
}

export interface FeedSchema {
  papers: PapersTable;
  measurements: MeasurementsTable;
  votes: VotesTable;
  reads: ReadsTable;
  facts: FactsTable;
  sources: SourcesTable;
  subscribers: SubscribersTable;
  tokens: TokensTable;
  outbox: OutboxTable;
  runs: RunsTable;
}

export type PaperRow = Selectable<PapersTable>;
export type NewPaper = Insertable<PapersTable>;
export type Subscriber = Selectable<SubscribersTable>;
export type Letter = Selectable<OutboxTable>;
export type RunRow = Selectable<RunsTable>;
export type NewLetter = Insertable<OutboxTable>;
