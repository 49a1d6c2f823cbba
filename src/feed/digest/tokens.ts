/** Tokens in letters: random, for one purpose, known to the database only by their hash. */
import { createHash, randomBytes } from "node:crypto";
import type { Kysely } from "kysely";
import type { FeedSchema, TokenPurpose } from "../schema.ts";

const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

/** A new token of 256 random bits, as text for addresses. */
export async function issueToken(
  db: Kysely<FeedSchema>,
  subscriber_id: number,
  purpose: TokenPurpose,
  expires_at: Date,
): Promise<string> {
  const token = randomBytes(32).toString("base64url");
  await db
    .insertInto("tokens")
    .values({ hash: hashOf(token), subscriber_id, purpose, expires_at, used_at: null })
    .execute();
  return token;
}

/** Uses a token up; gives the subscriber it was for, or null if it is unknown, for another purpose, used or too old. */
export async function useToken(
  db: Kysely<FeedSchema>,
  token: string,
  purpose: TokenPurpose,
  now: Date,
): Promise<number | null> {
  const row = await db
    .updateTable("tokens")
    .set({ used_at: now })
    .where("hash", "=", hashOf(token))
    .where("purpose", "=", purpose)
    .where("used_at", "is", null)
    .where("expires_at", ">", now)
    .returning("subscriber_id")
    .executeTakeFirst();
  return row?.subscriber_id ?? null;
}
