/** The databases that tests run on: PGlite always, PostgreSQL where there is a server for tests; see `test/postgres.ts`. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, inject } from "vitest";
import { type Feed, openFeed } from "../../src/feed/index.ts";

/** Why nothing can be tested on PostgreSQL here; empty if it can. */
export const { why: noPostgres } = inject("postgres");

/** A database of its own on the server for tests. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

/** Makes an empty database; it is dropped when it is disposed of. */
export async function postgresDatabase(): Promise<TestDatabase> {
  const answer = await fetch(inject("postgres").broker as string);
  const server = await answer.text();
  if (!answer.ok) throw new Error(server);
  const database = `fourward_test_${randomBytes(6).toString("hex")}`;
  const own = new URL(server);
  own.pathname = `/${database}`;
  const admin = async (query: string) => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query(query);
    await client.end();
  };
  await admin(`create database ${database}`);
  return { url: own.href, [Symbol.asyncDispose]: () => admin(`drop database ${database} with (force)`) };
}

/** Runs the same tests on each database, which is empty before every test. */
export function onDatabases(name: string, tests: (feed: () => Feed) => void): void {
  describe(`${name}, PGlite`, () => withFeed(() => openFeed({ url: null, folder: null }), tests));
  if (noPostgres) describe.skip(`${name}, PostgreSQL: ${noPostgres}`, () => tests(() => null as never));
  else
    describe(`${name}, PostgreSQL`, () => {
      let database: TestDatabase;
      withFeed(async () => {
        database = await postgresDatabase();
        return openFeed({ url: database.url });
      }, tests);
      afterAll(() => database?.[Symbol.asyncDispose]());
    });
}

function withFeed(open: () => Promise<Feed>, tests: (feed: () => Feed) => void): void {
  let feed: Feed;
  beforeAll(async () => {
    feed = await open();
    // A new PGlite takes seconds, on a busy machine many.
  }, 240_000);
  beforeEach(async () => {
    for (const table of ["subscribers", "papers", "facts", "sources", "runs"] as const)
      await feed.db.deleteFrom(table).execute();
  });
  afterAll(() => feed.close());
  tests(() => feed);
}
