import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { atomEntry, atomFeed, closedAddress, dailyPaper, sourcesServer } from "../feed/sources-server.ts";
import { fourward } from "./process.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-feed-cli-"));
  Object.assign(process.env, { FOURWARD_FEED: join(folder, "feed"), DATABASE_URL: "" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Several processes with a database each, on a machine that may be busy. */
const patient = { timeout: 400_000 };

it("fourward feed refreshes, searches, says that it is offline, and stops on Ctrl-C", patient, async () => {
  await using server = await sourcesServer((request, response) => {
    if (request.url?.startsWith("/api/query"))
      response.end(atomFeed([atomEntry("2611.01234v1", "FFT of seals", "A.")]));
    else response.end(JSON.stringify([dailyPaper("2611.02000", "A MoE", "Mixture of experts."), null]));
  });
  Object.assign(process.env, { FOURWARD_ARXIV: server.base, HF_ENDPOINT: server.base });
  const refreshed = await fourward(["feed", "refresh", "--days", "1", "--reports", join(folder, "none")]);
  expect(refreshed).toMatchObject({ code: 0 });
  expect(refreshed.stdout).toBe(
    [
      "catalogue: 7 papers, 6 run",
      "arxiv: 1 new of 1 that belong here, 1 in all",
      "hugging-face: 1 new of 1 that belong here, 1 in all; 1 entries not as they should be, left out",
      "",
    ].join("\n"),
  );
  expect(refreshed.stderr).toContain("making the feed's database, once...\n");

  const found = await fourward(["feed", "search", "seals", "--json"]);
  expect(found.stderr).toBe("");
  expect(JSON.parse(found.stdout)).toMatchObject({ papers: [{ slug: "arxiv-2611.01234", measurements: [] }] });
  expect((await fourward(["feed", "search", "--implemented", "--limit", "2"])).stdout).toMatch(
    /^4 more; --limit 6 shows/m,
  );

  process.env.FOURWARD_ARXIV = await closedAddress();
  const offline = await fourward(["feed", "refresh", "--sources", "arxiv", "--quiet"]);
  expect(offline).toEqual({
    ...{ code: 1, stdout: "catalogue: 7 papers, 6 run\n" },
    stderr:
      "fourward: arXiv cannot be reached (ECONNREFUSED); what is here can still be searched, and the same command tries again when you are online\n",
  });

  await using silent = await sourcesServer(() => {});
  process.env.FOURWARD_ARXIV = silent.base;
  const waiting = fourward(["feed", "refresh", "--sources", "arxiv"]);
  await waiting.printed("asking arxiv");
  // Meanwhile the files belong to that process.
  const second = await fourward(["feed", "search", "seals"]);
  expect(second).toMatchObject({ code: 1, stdout: "" });
  expect(second.stderr).toMatch(/^fourward: \S+ is in use by process \d+; end that first .* PostgreSQL .*\n$/);
  waiting.child.kill("SIGINT");
  expect(await waiting).toMatchObject({
    code: 130,
    stderr: expect.stringMatching(/stopped; what was read is kept\n$/),
  });
  // What a dead process left is no lock.
  writeFileSync(join(folder, "feed", "lock"), "4194305");
  expect((await fourward(["feed", "search", "seals"])).code).toBe(0);
});

it.each([
  [["feed", "refresh", "--sources", "usenet"], /Expected arxiv, hugging-face or both/],
  [["feed", "refresh", "--days", "0"], /Expected a whole number from 1/],
  [["feed", "search", "--sort", "oldest"], /Allowed choices are relevance, trending, newest/],
] as const)("%j is wrong usage", async (args, message) => {
  const { code, stdout, stderr } = await fourward(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(message);
});
