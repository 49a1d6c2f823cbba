/** The steps that make the tables, in order. A step that has been released is never changed: a new one follows it. */
import { type Kysely, type Migration, sql } from "kysely";
import { EMBEDDING_SIZE } from "./embedding.ts";

const now = sql`now()`;

const papers: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create extension if not exists vector`.execute(db);
    await db.schema
      .createTable("papers")
      .addColumn("id", "integer", (c) => c.primaryKey().generatedAlwaysAsIdentity())
      .addColumn("slug", "text", (c) => c.notNull().unique())
      .addColumn("number", "integer", (c) => c.unique())
      .addColumn("title", "text", (c) => c.notNull())
      .addColumn("name", "text", (c) => c.notNull())
      .addColumn("year", "integer", (c) => c.notNull())
      .addColumn("arxiv", "text", (c) => c.unique())
      .addColumn("summary", "text", (c) => c.notNull())
      .addColumn("abstract", "text", (c) => c.notNull())
      .addColumn("authors", sql`text[]`, (c) => c.notNull())
      .addColumn("topics", sql`text[]`, (c) => c.notNull())
      .addColumn("source", "text", (c) => c.notNull())
      .addColumn("appeared_at", "timestamptz", (c) => c.notNull())
      .addColumn("added_at", "timestamptz", (c) => c.notNull().defaultTo(now))
      .addColumn("runs", "boolean", (c) => c.notNull())
      .addColumn("runs_since", "timestamptz")
      .addColumn("claims", "jsonb", (c) => c.notNull())
      .addColumn("document", sql`tsvector`, (c) => c.notNull())
      .addColumn("embedding", sql`vector(${sql.lit(EMBEDDING_SIZE)})`)
      .addColumn("embedded_as", "text")
      .execute();
    await db.schema.createIndex("papers_document").on("papers").using("gin").column("document").execute();
    await db.schema.createIndex("papers_topics").on("papers").using("gin").column("topics").execute();
    await db.schema.createIndex("papers_appeared").on("papers").column("appeared_at").execute();
    await db.schema
      .createTable("measurements")
      .addColumn("paper_id", "integer", (c) => c.notNull().references("papers.id").onDelete("cascade"))
      .addColumn("scale", "text", (c) => c.notNull())
      .addColumn("started_at", "timestamptz", (c) => c.notNull())
      .addColumn("seconds", "double precision", (c) => c.notNull())
      .addColumn("evidence", "boolean", (c) => c.notNull())
      .addColumn("command", "text", (c) => c.notNull())
      .addColumn("claims", "jsonb", (c) => c.notNull())
      .addPrimaryKeyConstraint("measurements_key", ["paper_id", "scale", "started_at"])
      .execute();
    await db.schema
      .createTable("votes")
      .addColumn("paper_id", "integer", (c) => c.notNull().references("papers.id").onDelete("cascade"))
      .addColumn("visitor", "text", (c) => c.notNull())
      .addColumn("network", "text", (c) => c.notNull())
      .addColumn("voted_at", "timestamptz", (c) => c.notNull())
      .addColumn("active", "boolean", (c) => c.notNull())
      .addPrimaryKeyConstraint("votes_key", ["paper_id", "visitor"])
      .execute();
    await db.schema
      .createTable("reads")
      .addColumn("paper_id", "integer", (c) => c.notNull().references("papers.id").onDelete("cascade"))
      .addColumn("visitor", "text", (c) => c.notNull())
      .addColumn("network", "text", (c) => c.notNull())
      .addColumn("read_at", "timestamptz", (c) => c.notNull())
      .addPrimaryKeyConstraint("reads_key", ["paper_id", "visitor"])
      .execute();
    await db.schema
      .createTable("facts")
      .addColumn("key", "text", (c) => c.primaryKey())
      .addColumn("value", "text", (c) => c.notNull())
      .execute();
    await db.schema
      .createTable("sources")
      .addColumn("url", "text", (c) => c.primaryKey())
      .addColumn("source", "text", (c) => c.notNull())
      .addColumn("etag", "text")
      .addColumn("last_modified", "text")
      .addColumn("asked_at", "timestamptz", (c) => c.notNull())
      .execute();
  },
};

const subscriptions: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable("subscribers")
      .addColumn("id", "integer", (c) => c.primaryKey().generatedAlwaysAsIdentity())
      .addColumn("email", "text", (c) => c.notNull())
      .addColumn("email_key", "text", (c) => c.notNull().unique())
      .addColumn("topics", sql`text[]`, (c) => c.notNull())
      .addColumn("hour", "integer", (c) => c.notNull())
      .addColumn("time_zone", "text", (c) => c.notNull())
      .addColumn("status", "text", (c) => c.notNull())
      .addColumn("suppressed", "text")
      .addColumn("created_at", "timestamptz", (c) => c.notNull())
      .addColumn("confirmed_at", "timestamptz")
      .addColumn("asked_at", "timestamptz")
      .addColumn("next_digest_at", "timestamptz")
      .addColumn("last_digest_at", "timestamptz")
      .execute();
    await db.schema.createIndex("subscribers_due").on("subscribers").column("next_digest_at").execute();
    await db.schema
      .createTable("tokens")
      .addColumn("hash", "text", (c) => c.primaryKey())
      .addColumn("subscriber_id", "integer", (c) => c.notNull().references("subscribers.id").onDelete("cascade"))
      .addColumn("purpose", "text", (c) => c.notNull())
      .addColumn("expires_at", "timestamptz", (c) => c.notNull())
      .addColumn("used_at", "timestamptz")
      .execute();
    await db.schema
      .createTable("outbox")
      .addColumn("id", "integer", (c) => c.primaryKey().generatedAlwaysAsIdentity())
      .addColumn("kind", "text", (c) => c.notNull())
      .addColumn("subscriber_id", "integer", (c) => c.notNull().references("subscribers.id").onDelete("cascade"))
      .addColumn("local_date", "date")
      .addColumn("message_id", "text", (c) => c.notNull().unique())
      .addColumn("content", "jsonb", (c) => c.notNull())
      .addColumn("status", "text", (c) => c.notNull().defaultTo("queued"))
      .addColumn("attempts", "integer", (c) => c.notNull().defaultTo(0))
      .addColumn("created_at", "timestamptz", (c) => c.notNull())
      .addColumn("due_at", "timestamptz", (c) => c.notNull())
      .addColumn("expires_at", "timestamptz", (c) => c.notNull())
      .addColumn("claimed_by", "text")
      .addColumn("claimed_until", "timestamptz")
      .addColumn("sent_at", "timestamptz")
      .addColumn("failure", "text")
      // Letters that ask for confirmation have no date, and nulls are not equal.
      .addUniqueConstraint("outbox_once_a_day", ["subscriber_id", "local_date"])
      .execute();
    await db.schema.createIndex("outbox_due").on("outbox").columns(["status", "due_at"]).execute();
  },
};

const runs: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable("runs")
      .addColumn("id", "text", (c) => c.primaryKey())
      .addColumn("place", "integer", (c) => c.notNull().unique().generatedAlwaysAsIdentity())
      .addColumn("request", "jsonb", (c) => c.notNull())
      .addColumn("title", "text", (c) => c.notNull())
      .addColumn("visitor", "text", (c) => c.notNull())
      .addColumn("network", "text", (c) => c.notNull())
      .addColumn("state", "text", (c) => c.notNull().defaultTo("queued"))
      .addColumn("attempts", "integer", (c) => c.notNull().defaultTo(0))
      .addColumn("created_at", "timestamptz", (c) => c.notNull())
      .addColumn("started_at", "timestamptz")
      .addColumn("finished_at", "timestamptz")
      .addColumn("claimed_by", "text")
      .addColumn("heartbeat_at", "timestamptz")
      .addColumn("cancel_asked", "boolean", (c) => c.notNull().defaultTo(false))
      .addColumn("progress", "jsonb")
      .addColumn("failure", "text")
      .addColumn("result", "jsonb")
      .execute();
    await db.schema.createIndex("runs_due").on("runs").columns(["state", "place"]).execute();
    await db.schema.createIndex("runs_of_visitor").on("runs").columns(["visitor", "place"]).execute();
    await db.schema.createIndex("runs_of_network").on("runs").columns(["network", "created_at"]).execute();
  },
};

const studies: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable("papers").addColumn("study", "jsonb").execute();
  },
};

export const migrations: Readonly<Record<string, Migration>> = {
  "001-papers": papers,
  "002-subscriptions": subscriptions,
  "003-runs": runs,
  "004-studies": studies,
};
