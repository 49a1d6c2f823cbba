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

export const migrations: Readonly<Record<string, Migration>> = { "001-papers": papers };
