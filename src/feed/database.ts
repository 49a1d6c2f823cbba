/** The feed's database: PGlite in a folder of this machine, or PostgreSQL by `DATABASE_URL`; the same SQL on both. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Kysely, Migrator, PostgresDialect } from "kysely";
import pg from "pg";
import { fileError } from "../data/files.ts";
import { lockFolder } from "./lock.ts";
import { migrations } from "./migrations.ts";
import type { FeedSchema } from "./schema.ts";

/** An open database of the feed, with all its tables. */
export interface Feed {
  readonly db: Kysely<FeedSchema>;
  readonly kind: "pglite" | "postgres";
  close(): Promise<void>;
}

export interface OpenFeedOptions {
  /** Address of a PostgreSQL server; by default `DATABASE_URL`, and PGlite where that is not set. Null: PGlite. */
  readonly url?: string | null;
  /** Folder of PGlite's files; by default `feedFolder()`. Null: in memory, gone when it is closed. */
  readonly folder?: string | null;
  /** Called before a new database is made, which takes seconds. */
  readonly onCreate?: () => void;
}

/** Where the feed is kept: `FOURWARD_FEED`, else `fourward/feed` in `XDG_DATA_HOME`, else `~/.local/share/fourward/feed`. */
export function feedFolder(): string {
  const { FOURWARD_FEED, XDG_DATA_HOME } = process.env;
  return FOURWARD_FEED || join(XDG_DATA_HOME || join(homedir(), ".local", "share"), "fourward", "feed");
}

/**
 * Opens the database and brings its tables up to date. Throws one sentence if the server cannot be reached or lacks
 * pgvector, or if another process has the folder open.
 */
export async function openFeed(options: OpenFeedOptions = {}): Promise<Feed> {
  const url = options.url === undefined ? process.env.DATABASE_URL || null : options.url;
  const { pool, close } = url === null ? await pglitePool(options) : serverPool(url);
  const db = new Kysely<FeedSchema>({ dialect: new PostgresDialect({ pool }) });
  const feed: Feed = {
    db,
    kind: url === null ? "pglite" : "postgres",
    close: async () => {
      await db.destroy();
      await close();
    },
  };
  try {
    await migrate(db);
    return feed;
  } catch (error) {
    await feed.close().catch(() => {});
    throw url === null ? error : serverError(url, error);
  }
}

/** Both drivers read values alike: counts as numbers, dates without a time as text. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    oid === pg.types.builtins.INT8
      ? Number
      : oid === pg.types.builtins.DATE
        ? (text: string) => text
        : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
};

interface OpenPool {
  readonly pool: pg.Pool;
  /** What is left to close after the pool. */
  close(): Promise<void>;
}

function serverPool(connectionString: string): OpenPool {
  const pool = new pg.Pool({ connectionString, types, max: 8, connectionTimeoutMillis: 10_000 });
  // A connection that breaks while it rests is replaced by the pool; the query that needs one will tell.
  pool.on("error", () => {});
  return { pool, close: async () => {} };
}

/** PGlite is one connection in one process; `pg` speaks with it as with a server. */
async function pglitePool({ folder = feedFolder(), onCreate }: OpenFeedOptions): Promise<OpenPool> {
  // Loaded where it is needed: 27 MB that PostgreSQL's users do without.
  const [{ PGlite }, { vector }, { createPgConfig }] = await Promise.all([
    import("@electric-sql/pglite"),
    import("@electric-sql/pglite-pgvector"),
    import("@electric-sql/pglite/node-postgres"),
  ]);
  const open = (dataDir: string) => PGlite.create({ dataDir, extensions: { vector } });
  const unlock = folder === null ? async () => {} : await lockFolder(folder);
  try {
    const data = folder === null ? "memory://" : join(folder, "pglite");
    if (folder !== null && !existsSync(data)) {
      onCreate?.();
      // Made elsewhere and renamed: what is killed half-way must not be taken for a database.
      const unfinished = join(folder, "pglite.new");
      await rm(unfinished, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await (await open(unfinished)).close();
      await rename(unfinished, data);
    }
    const pglite = await open(data);
    const config = createPgConfig(pglite);
    return {
      pool: new pg.Pool({ ...config, types, max: 1 }),
      close: async () => {
        await pglite.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw fileError("open the feed's database in", folder ?? "memory", error);
  }
}

async function migrate(db: Kysely<FeedSchema>): Promise<void> {
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => migrations } }).migrateToLatest();
  if (error) throw error;
}

/** What went wrong with a server, in one sentence without its password. */
function serverError(url: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  const where = URL.canParse(url) ? new URL(url).host || "this machine" : "the address of DATABASE_URL";
  if (/extension "vector"/.test(message))
    return new Error(
      `database: the PostgreSQL server at ${where} has no pgvector (${message}); install it there (on Debian postgresql-<version>-pgvector), or unset DATABASE_URL to keep the feed in files`,
      { cause: error },
    );
  return new Error(
    `database: PostgreSQL at ${where} cannot be used (${message || code}); check DATABASE_URL, or unset it to keep the feed in files`,
    { cause: error },
  );
}
