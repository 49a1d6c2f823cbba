/** The databases that tests of the feed run on: PGlite always, PostgreSQL where `FOURWARD_TEST_POSTGRES` names a server. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { type Feed, openFeed } from "../../src/feed/index.ts";

const server = process.env.FOURWARD_TEST_POSTGRES;

/** Runs the same tests on each database, which is empty before every test. */
export function onDatabases(name: string, tests: (feed: () => Feed) => void): void {
  describe(`${name}, PGlite`, () => withFeed(() => openFeed({ url: null, folder: null }), tests));
  if (server) describe(`${name}, PostgreSQL`, () => onServer(server, tests));
  else describe.skip(`${name}, PostgreSQL: FOURWARD_TEST_POSTGRES names no server`, () => tests(() => null as never));
}

function onServer(url: string, tests: (feed: () => Feed) => void): void {
  const database = `feed_test_${randomBytes(6).toString("hex")}`;
  const own = new URL(url);
  own.pathname = `/${database}`;
  const admin = async (query: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(query);
    await client.end();
  };
  beforeAll(() => admin(`create database ${database}`));
  afterAll(() => admin(`drop database ${database} with (force)`));
  withFeed(() => openFeed({ url: own.href }), tests);
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
