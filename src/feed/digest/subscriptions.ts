/** Who gets the digest: double opt-in, unsubscription, and addresses that nothing is sent to any more. */
import { randomBytes } from "node:crypto";
import { type Kysely, sql, type Transaction } from "kysely";
import { z } from "zod";
import type { FeedSchema, NewLetter } from "../schema.ts";
import { isTimeZone, nextHour } from "./local-time.ts";
import { useToken } from "./tokens.ts";

/** What a subscriber asks for. */
export interface Subscription {
  readonly email: string;
  /** Papers must have one of these; empty for all. */
  readonly topics?: readonly string[];
  /** Hour of the day, 0 to 23. */
  readonly hour: number;
  /** IANA name of a time zone. */
  readonly timeZone: string;
}

const subscription = z.object({
  email: z.string().trim().pipe(z.email().max(254)),
  topics: z
    .array(z.string().regex(/^[a-z0-9-]{1,40}$/))
    .max(50)
    .default([]),
  hour: z.int().min(0).max(23),
  timeZone: z.string().max(64).refine(isTimeZone),
});

const HOUR = 3_600_000;
/** How long a letter that asks for confirmation is good for. */
export const CONFIRM_WITHIN = 48 * HOUR;
/** One such letter in this time at most, whoever asks for it: nobody's mailbox can be filled in another's name. */
const ASK_AGAIN_AFTER = 6 * HOUR;
/** Between two digests at least, also for those who change their hour or time zone. */
const DAY_AT_LEAST = 20 * HOUR;

/** A Message-ID: its random part proves that who knows it has seen the letter. */
export const newMessageId = (domain: string): string => `${randomBytes(16).toString("hex")}@${domain}`;

/**
 * Takes a subscription and puts the letter that asks for confirmation into the outbox, in one transaction. It says nothing
 * of whether the address was known: one that is confirmed, suppressed or has been asked in the last hours gets no letter.
 * Throws one sentence for an address, topic, hour or time zone that is none.
 */
export async function subscribe(
  db: Kysely<FeedSchema>,
  given: Subscription,
  { now, domain }: { readonly now: Date; readonly domain: string },
): Promise<void> {
  const parsed = subscription.safeParse(given);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path[0];
    throw new RangeError(`subscribe: ${expectations[field as keyof typeof expectations] ?? "expected a subscription"}`);
  }
  const { topics, hour, timeZone: time_zone } = parsed.data;
  const [local, host] = parsed.data.email.split("@") as [string, string];
  const email = `${local}@${host.toLowerCase()}`;
  await db.transaction().execute(async (tx) => {
    const fresh = { email, topics, hour, time_zone, status: "pending" as const, asked_at: now, confirmed_at: null };
    const row = await tx
      .insertInto("subscribers")
      .values({
        ...fresh,
        ...{ email_key: email.toLowerCase(), suppressed: null, created_at: now },
        ...{ next_digest_at: null, last_digest_at: null },
      })
      .onConflict((conflict) =>
        conflict
          .column("email_key")
          .doUpdateSet(fresh)
          .where("subscribers.status", "in", ["pending", "unsubscribed"])
          .where((e) =>
            e.or([
              e("subscribers.asked_at", "is", null),
              e("subscribers.asked_at", "<=", new Date(now.getTime() - ASK_AGAIN_AFTER)),
            ]),
          ),
      )
      .returning("id")
      .executeTakeFirst();
    if (!row) return;
    await tx
      .insertInto("outbox")
      .values(
        letter(
          "confirm",
          row.id,
          newMessageId(domain),
          { topics, hour, timeZone: time_zone },
          {
            now,
            expiresAt: new Date(now.getTime() + CONFIRM_WITHIN),
          },
        ),
      )
      .execute();
  });
}

const expectations = {
  email: "expected an email address such as name@example.org",
  topics: "expected topics as in the catalogue, in small letters",
  hour: "expected an hour from 0 to 23",
  timeZone: "expected a time zone such as Europe/Vienna",
} as const;

/** A letter for the outbox. */
export const letter = (
  kind: NewLetter["kind"],
  subscriber_id: number,
  message_id: string,
  content: unknown,
  { now, expiresAt, localDate = null }: { now: Date; expiresAt: Date; localDate?: string | null },
): NewLetter => ({
  ...{ kind, subscriber_id, message_id, content: JSON.stringify(content), local_date: localDate },
  ...{ created_at: now, due_at: now, expires_at: expiresAt },
  ...{ claimed_by: null, claimed_until: null, sent_at: null, failure: null },
});

/** Confirms the subscription that a token of a letter stands for; false for a token that is unknown, used or too old. */
export const confirm = (db: Kysely<FeedSchema>, token: string, now: Date): Promise<boolean> =>
  db.transaction().execute(async (tx) => {
    const id = await useToken(tx, token, "confirm", now);
    if (id === null) return false;
    const row = await tx
      .selectFrom("subscribers")
      .select(["hour", "time_zone", "last_digest_at"])
      .where("id", "=", id)
      .where("status", "=", "pending")
      .executeTakeFirst();
    if (!row) return false;
    const earliest = new Date(Math.max(now.getTime(), (row.last_digest_at?.getTime() ?? 0) + DAY_AT_LEAST));
    await tx
      .updateTable("subscribers")
      .set({ status: "confirmed", confirmed_at: now, next_digest_at: nextHour(row.hour, row.time_zone, earliest) })
      .where("id", "=", id)
      .execute();
    return true;
  });

/** Ends the subscription that a token of a digest stands for; false for a token that is unknown, used or too old. */
export const unsubscribe = (db: Kysely<FeedSchema>, token: string, now: Date): Promise<boolean> =>
  db.transaction().execute(async (tx) => {
    const id = await useToken(tx, token, "unsubscribe", now);
    if (id === null) return false;
    await tx
      .updateTable("subscribers")
      .set({ status: "unsubscribed", next_digest_at: null })
      .where("id", "=", id)
      .where("status", "!=", "suppressed")
      .execute();
    await dropQueued(tx, id);
    return true;
  });

/** Sends nothing to a subscriber any more, because letters come back or were complained about. */
export async function suppress(db: Kysely<FeedSchema>, id: number, why: "bounce" | "complaint"): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .updateTable("subscribers")
      .set({ status: "suppressed", suppressed: why, next_digest_at: null })
      .where("id", "=", id)
      .execute();
    await dropQueued(tx, id);
  });
}

const dropQueued = (tx: Transaction<FeedSchema>, id: number) =>
  tx
    .updateTable("outbox")
    .set({ status: "expired", failure: sql<string>`'no longer subscribed'` })
    .where("subscriber_id", "=", id)
    .where("status", "=", "queued")
    .execute();
