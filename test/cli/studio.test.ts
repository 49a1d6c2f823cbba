/** `fourward studio` as a process, with all that it may be told to do. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { studio } from "../../src/cli/studio.ts";
import { mailServer, plain } from "../feed/digest/smtp.ts";
import { atomEntry, atomFeed, dailyPaper, sourcesServer } from "../feed/sources-server.ts";
import { library } from "../studio/library.ts";
import { fourward } from "./process.ts";

const patient = 400_000;
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-studio-cli-"));
  for (const name of ["FOURWARD_TOKEN", "FOURWARD_SITE", "FOURWARD_SMTP", "FOURWARD_MAIL_FROM", "FOURWARD_DKIM"])
    delete process.env[name];
  Object.assign(process.env, { FOURWARD_FEED: join(folder, "feed"), DATABASE_URL: "" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder as checkpoints have it, by its configuration alone. */
function modelFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, "config.json"), JSON.stringify({ n_layer: 3, n_embd: 8, vocab_size: 11, n_positions: 16 }));
  return path;
}

const until = async <T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> => {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
};

it("serves the site with models, news and mail, opens it, and ends on Ctrl-C", { timeout: patient }, async () => {
  await using mail = await mailServer();
  await using sources = await sourcesServer((request, response) => {
    const isArxiv = request.url?.includes("search_query");
    const daily = [dailyPaper("2611.00002", "Mixing tokens by Fourier transforms", "An FFT mixes tokens.")];
    const feed = atomFeed([atomEntry("2611.00001v1", "A Fourier neural operator", "Spectral words.")]);
    response.end(isArxiv ? feed : JSON.stringify(daily));
  });
  // What opens pages here writes down which.
  const [opened, bin] = [join(folder, "opened"), join(folder, "bin")];
  mkdirSync(bin);
  for (const name of ["xdg-open", "open"]) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho "$1" > "${opened}"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  Object.assign(process.env, {
    ...{ PATH: `${bin}${delimiter}${process.env.PATH}`, FOURWARD_ARXIV: sources.base, HF_ENDPOINT: sources.base },
  });
  const running = fourward([
    ...["studio", "--port", "0", "--open", "--models", modelFolder("tiny"), "--refresh", "6"],
    ...["--token", "nobody guesses this", "--out", join(folder, "runs"), "--reports", join(folder, "reports")],
    ...["--smtp", mail.url, "--from", "digest@example.org", "--site", "https://papers.example.org/", "--grace", "1"],
  ]);
  const url = await running.printed(/^the studio is at (http:\/\/127\.0\.0\.1:\d+); Ctrl-C ends it$/m);
  const get = async (path: string) => (await fetch(`${url}${path}`)).json();

  expect(await until(() => (existsSync(opened) ? readFileSync(opened, "utf8").trim() || undefined : undefined))).toBe(
    url,
  );
  const { models } = await get("/api/models");
  expect(models).toMatchObject([
    { id: "fourward-4m", embedded: true },
    { id: "tiny", embedded: false, layers: 3, width: 8, vocabulary: 11, context: 16 },
  ]);

  // A letter asks who subscribes, without waiting for the next minute.
  const given = { email: "ada@example.org", topics: [], hour: 8, timeZone: "UTC" };
  const answer = await fetch(`${url}/api/subscriptions`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(given) },
  });
  expect(answer.status).toBe(202);
  const letter = await until(() => mail.received[0]);
  expect(letter.to).toBe("ada@example.org");
  expect(plain(letter.raw)).toMatch(/https:\/\/papers\.example\.org\/subscription\/confirm\?token=[\w-]{43}/);

  await running.printed(/arxiv: 1 new paper$/m, "stderr");
  await running.printed(/hugging-face: 1 new paper$/m, "stderr");
  const { papers } = await get("/api/papers?q=fourier+neural+operator");
  expect(papers.map(({ arxiv }: { arxiv: string }) => arxiv)).toContain("2611.00001");

  // Another one on the same files is told who has them.
  const second = await fourward(["studio", "--port", "0"]);
  expect([second.code, second.stdout]).toEqual([1, ""]);
  expect(second.stderr.trim()).toMatch(
    new RegExp(`^fourward: \\S+ is in use by process ${running.child.pid}; end that first .*$`),
  );

  running.child.kill("SIGINT");
  const { code, stdout, stderr } = await running;
  expect([code, stdout]).toEqual([0, expect.stringContaining(`the studio is at ${url}`)]);
  expect(stderr).toMatch(/finishing requests and stopping runs/);
  expect(stderr).not.toMatch(/error|ada@example/i);
});

describe("what cannot be done is refused in one sentence, before there is a database", () => {
  const flags = { host: "127.0.0.1", port: 0, runs: 0, reports: "reports", grace: 1, quiet: true };
  const from = { smtp: "smtp://127.0.0.1:25", from: "digest@example.org" };
  it.each([
    ["a token that is guessed", { token: "short" }, /^studio: --token or FOURWARD_TOKEN: expected at least 16 letters/],
    [
      "a folder without a model",
      { models: ["/nowhere"] },
      /^studio: --models \/nowhere: there is no config.json in it/,
    ],
    ["no hours", { refresh: 0 }, /^studio: --refresh 0: expected hours above 0$/],
    [
      "a site that is none",
      { site: "papers.example.org" },
      /^studio: --site or FOURWARD_SITE: expected an address such/,
    ],
    [
      "a mail server that is none",
      { ...from, smtp: "mail" },
      /^studio: --smtp or FOURWARD_SMTP: expected a mail server/,
    ],
    ["letters of nobody", { smtp: from.smtp }, /^studio: --from or FOURWARD_MAIL_FROM: expected an address such as/],
    ["letters that lead nowhere", from, /^studio: --site or FOURWARD_SITE: expected the site that links lead to/],
    ["a host that is not this one", { host: "192.0.2.1" }, /^studio: --host 192\.0\.2\.1: expected an address of this/],
  ])("%s", async (_, given, message) => {
    process.env.FOURWARD_FEED = join(folder, "none");
    await expect(studio(library, { ...flags, ...given })).rejects.toThrow(message);
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  it("two models of one name, and a port that is taken", async () => {
    process.env.FOURWARD_FEED = join(folder, "none");
    const [first, second] = [modelFolder("twin"), join(folder, "deeper", "twin")];
    mkdirSync(second, { recursive: true });
    writeFileSync(join(second, "config.json"), "{}");
    await expect(studio(library, { ...flags, models: [first, second] })).rejects.toThrow(
      /there is another model of the name twin; rename one of the folders$/,
    );
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, "127.0.0.1", done));
    const { port } = taken.address() as { port: number };
    await expect(studio(library, { ...flags, port })).rejects.toThrow(
      `studio: port ${port} is taken; choose another with --port`,
    );
    taken.close();
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});
