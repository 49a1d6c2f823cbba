/**
 * Sends what is in the outbox by SMTP, each letter once.
 *
 * A letter is sent in this order: it is claimed; all of it but its last line, the point that ends it, goes to the server;
 * its row becomes `closing`; the point goes out; the server accepts it; its row becomes `sent`. Before the point a server
 * must throw away what it has (RFC 5321, 4.1.1.4 and 4.2.5), so whoever dies before `closing` has sent nothing and the
 * letter is sent again when the claim runs out. Whoever dies after it may or may not have sent the letter, and no client
 * of SMTP can find out: it is not sent again, since nobody may get two. So a crash can cost a digest only between those
 * two moments, a disk write and one packet apart.
 */
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { type Kysely, sql } from "kysely";
import { createTransport } from "nodemailer";
import type { FeedSchema, Letter, Subscriber } from "../schema.ts";
import { confirmLetter, digestLetter, type LetterText, tokenAddress } from "./letters.ts";
import type { DigestContent } from "./schedule.ts";
import { CONFIRM_WITHIN, suppress } from "./subscriptions.ts";
import { issueToken } from "./tokens.ts";

/** How mail leaves. */
export interface MailSettings {
  /** `smtp://user:password@host:port`, or `smtps://` for TLS from the start. */
  readonly smtp: string;
  /** Address that letters come from. */
  readonly from: string;
  /** Address of the site that links lead to, e.g. `https://papers.example.org`. */
  readonly base: string;
  /** Signs letters; needs the public key in the domain's DNS. */
  readonly dkim?: { readonly domainName: string; readonly keySelector: string; readonly privateKey: string };
}

/** How far the letter in hand is, in this order; told to `observe`. */
export const sendSteps = ["claimed", "composed", "transmitted", "closing", "accepted", "recorded"] as const;
export type SendStep = (typeof sendSteps)[number];

export interface SendOptions {
  readonly mail: MailSettings;
  readonly now?: () => Date;
  /** Stops after the letter in hand. */
  readonly signal?: AbortSignal;
  readonly observe?: (step: SendStep) => void | Promise<void>;
}

/** What became of the letters that were due. */
export interface Sent {
  readonly sent: number;
  /** Refused for good. */
  readonly failed: number;
  /** To be tried again, with why the last try failed. */
  readonly later: number;
  readonly problem: string | null;
}

const MINUTE = 60_000;
/** How long a sender may have a letter in hand. */
export const CLAIM = 5 * MINUTE;
const LONGEST_PAUSE = 60 * MINUTE;
const UNSUBSCRIBE_WITHIN = 365 * 24 * 60 * MINUTE;

/** Sends all letters that are due. */
export async function sendDue(db: Kysely<FeedSchema>, options: SendOptions): Promise<Sent> {
  const { now = () => new Date(), signal } = options;
  const me = randomUUID();
  const counts = { sent: 0, failed: 0, later: 0 };
  let problem: string | null = null;
  await db
    .updateTable("outbox")
    .set({ status: "expired" })
    .where("status", "=", "queued")
    .where("expires_at", "<=", now())
    .execute();
  while (!signal?.aborted) {
    const claimed = await claim(db, me, now());
    if (!claimed) break;
    await options.observe?.("claimed");
    const outcome = await deliver(db, claimed, me, { ...options, now });
    counts[outcome.kind]++;
    problem = outcome.problem ?? problem;
  }
  return { ...counts, problem };
}

/** Takes a letter in hand, so that no other sender does. */
async function claim(db: Kysely<FeedSchema>, me: string, now: Date): Promise<Letter | undefined> {
  return db
    .updateTable("outbox")
    .set({
      claimed_by: me,
      claimed_until: new Date(now.getTime() + CLAIM),
      attempts: sql<number>`attempts + 1`,
    })
    .where("id", "=", (e) =>
      e
        .selectFrom("outbox")
        .select("id")
        .where("status", "=", "queued")
        .where("due_at", "<=", now)
        .where((o) => o.or([o("claimed_until", "is", null), o("claimed_until", "<=", now)]))
        .orderBy("due_at")
        .orderBy("id")
        .limit(1)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .executeTakeFirst();
}

interface Outcome {
  readonly kind: "sent" | "failed" | "later";
  readonly problem?: string;
}

/** The letter is no longer this sender's, or no longer wanted. */
class NotOursError extends Error {}

async function deliver(
  db: Kysely<FeedSchema>,
  letter: Letter,
  me: string,
  { mail, now = () => new Date(), observe }: SendOptions,
): Promise<Outcome> {
  const { id, subscriber_id } = letter;
  const subscriber = await db
    .selectFrom("subscribers")
    .selectAll()
    .where("id", "=", subscriber_id)
    .executeTakeFirstOrThrow();
  let isClosing = false;
  try {
    const message = await compose(db, letter, subscriber, mail, now());
    await observe?.("composed");
    // The stream ends, and with it the letter, only after the row says so.
    const parts = async function* () {
      yield message;
      await observe?.("transmitted");
      await markClosing(db, letter, me);
      isClosing = true;
      await observe?.("closing");
    };
    await createTransport(mail.smtp).sendMail({
      envelope: { from: mail.from, to: subscriber.email },
      raw: Readable.from(parts(), { objectMode: false }),
    });
    await observe?.("accepted");
    await db.updateTable("outbox").set({ status: "sent", sent_at: now() }).where("id", "=", id).execute();
    await observe?.("recorded");
    return { kind: "sent" };
  } catch (error) {
    if (error instanceof NotOursError || (error as Error).cause instanceof NotOursError) return { kind: "failed" };
    return refused(db, letter, error as SmtpError, isClosing, now());
  }
}

/** The whole letter with its headers, signed where there is a key. */
async function compose(
  db: Kysely<FeedSchema>,
  { kind, message_id, content }: Letter,
  { id, email }: Subscriber,
  { from, base, dkim }: MailSettings,
  now: Date,
): Promise<Buffer> {
  let body: LetterText;
  let headers: Record<string, string> = {};
  if (kind === "confirm") {
    body = confirmLetter(base, await issueToken(db, id, "confirm", new Date(now.getTime() + CONFIRM_WITHIN)));
  } else {
    const token = await issueToken(db, id, "unsubscribe", new Date(now.getTime() + UNSUBSCRIBE_WITHIN));
    body = digestLetter(base, content as DigestContent, token);
    headers = {
      "List-Unsubscribe": `<${tokenAddress(base, "unsubscribe", token)}>`,
      "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    };
  }
  const composer = createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const { message } = await composer.sendMail({
    ...{ from, to: email, messageId: `<${message_id}>`, date: now, headers },
    ...body,
    // RFC 8058 wants both headers of unsubscription signed.
    ...(dkim ? { dkim: { ...dkim, headerFieldNames: SIGNED } } : {}),
  });
  return message as Buffer;
}

const SIGNED = "from:to:subject:date:message-id:mime-version:content-type:list-unsubscribe:list-unsubscribe-post";

/** Says that the end of a letter is about to go out; refuses if the claim has run out or the subscriber has gone. */
async function markClosing(db: Kysely<FeedSchema>, { id, kind }: Letter, me: string): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable("outbox")
    .set({ status: "closing" })
    .where("id", "=", id)
    .where("status", "=", "queued")
    .where("claimed_by", "=", me)
    .where((e) =>
      e.exists(
        e
          .selectFrom("subscribers")
          .select("subscribers.id")
          .whereRef("subscribers.id", "=", "outbox.subscriber_id")
          .where("subscribers.status", "=", kind === "digest" ? "confirmed" : "pending"),
      ),
    )
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new NotOursError("no longer this sender's letter");
}

type SmtpError = Error & {
  readonly code?: string;
  readonly command?: string;
  readonly responseCode?: number;
  readonly response?: string;
};

/** Notes a failure: for good, with the address suppressed if it is the address that is wrong, or to be tried again. */
async function refused(
  db: Kysely<FeedSchema>,
  { id, subscriber_id, attempts }: Letter,
  { code, command, responseCode, response }: SmtpError,
  isClosing: boolean,
  now: Date,
): Promise<Outcome> {
  // Without the server's text: it repeats the address.
  const failure = [code, command, responseCode].filter((part) => part !== undefined).join(" ") || "unknown failure";
  const own = db.updateTable("outbox").where("id", "=", id);
  if (isClosing && responseCode === undefined) {
    await own.set({ failure: `${failure} after the end of the letter; not sent again` }).execute();
    return { kind: "failed", problem: failure };
  }
  if (responseCode !== undefined && responseCode >= 500 && (command === "RCPT TO" || command === "DATA")) {
    await own.set({ status: "failed", failure }).execute();
    if (command === "RCPT TO" && isBadAddress(responseCode, response)) await suppress(db, subscriber_id, "bounce");
    return { kind: "failed" };
  }
  const pause = Math.min(LONGEST_PAUSE, MINUTE * 2 ** (attempts - 1));
  await own
    .set({ status: "queued", failure, due_at: new Date(now.getTime() + pause), claimed_by: null, claimed_until: null })
    .execute();
  return { kind: "later", problem: failure };
}

/** Whether a refusal says that the mailbox does not exist or is closed, by its enhanced code (RFC 3463) if it has one. */
function isBadAddress(responseCode: number, response = ""): boolean {
  const enhanced = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1];
  if (enhanced !== undefined) return /^5\.1\.\d+$|^5\.2\.1$/.test(enhanced);
  return [550, 551, 553].includes(responseCode);
}
