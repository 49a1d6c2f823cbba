/** Reports of mail servers on letters: that they came back (RFC 3464), that somebody complained (RFC 5965). */
import type { Kysely } from "kysely";
import type { FeedSchema } from "../schema.ts";
import { suppress } from "./subscriptions.ts";

/** What a report was. */
export type ReportOutcome =
  | "bounce"
  | "complaint"
  /** Of a letter that waits, or that was delivered. */
  | "passing"
  /** No report, or one that does not know a letter of ours. */
  | "unknown";

/**
 * Takes a report as it came by mail, headers and all. An address is suppressed only if the report carries the Message-ID
 * of a letter to it, 128 random bits of which nobody knows who has not seen the letter: reports in another's name are
 * unknown. Parts of such reports may not be encoded (RFC 2046, 5.2.1), so they are read as they stand.
 */
export async function takeMailReport(db: Kysely<FeedSchema>, message: string): Promise<ReportOutcome> {
  if (!/^content-type:\s*multipart\/report\b/im.test(message)) return "unknown";
  const ids = [...message.matchAll(/^message-id:\s*<([0-9a-f]{32}@[^>\s]+)>/gim)].map(([, id]) => id as string);
  if (ids.length === 0) return "unknown";
  const letter = await db
    .selectFrom("outbox")
    .select("subscriber_id")
    .where("message_id", "in", ids)
    .where("status", "in", ["sent", "closing"])
    .executeTakeFirst();
  if (!letter) return "unknown";
  const kind = /^feedback-type:\s*(?:abuse|fraud|virus|opt-out)\s*$/im.test(message)
    ? "complaint"
    : /^action:\s*failed\b/im.test(message) && /^status:\s*5\./im.test(message)
      ? "bounce"
      : null;
  if (kind === null) return "passing";
  await suppress(db, letter.subscriber_id, kind);
  return kind;
}
