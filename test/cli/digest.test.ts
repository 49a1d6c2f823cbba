import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mailServer, plain } from "../feed/digest/smtp.ts";
import { fourward } from "./process.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-digest-cli-"));
  Object.assign(process.env, { FOURWARD_FEED: join(folder, "feed"), DATABASE_URL: "" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const addresses = ["--from", "digest@example.org", "--base", "https://papers.example.org"];

it("fourward digest takes subscriptions, sends letters, and stops on Ctrl-C", { timeout: 400_000 }, async () => {
  await using server = await mailServer();
  const args = ["digest", "--smtp", server.url, ...addresses];
  const daemon = fourward([...args, "--daemon", "--port", "0"]);
  const site = await new Promise<string>((done, fail) => {
    let printed = "";
    daemon.child.stdout.on("data", (text: string) => {
      printed += text;
      const address = /subscriptions at (\S+);/.exec(printed)?.[1];
      if (address) done(address);
    });
    void daemon.then(({ stderr }) => fail(new Error(stderr)));
  });
  const form = { email: "ada@example.org", topics: "", hour: "8", timeZone: "UTC" };
  const answer = await fetch(site, { method: "POST", body: new URLSearchParams(form) });
  expect([answer.status, answer.headers.get("content-security-policy")]).toEqual([
    200,
    expect.stringContaining("'none'"),
  ]);
  daemon.child.kill("SIGINT");
  const { code, stderr } = await daemon;
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("stopping after the letter in hand") });

  const before = server.received.length;
  const once = await fourward([...args, "--once", "--json"]);
  expect(JSON.parse(once.stdout)).toEqual({ written: 0, sent: 1 - before, failed: 0, later: 0, problem: null });
  expect(plain(server.received[0]?.raw ?? "")).toMatch(/papers\.example\.org\/subscription\/confirm\?token=[\w-]{43}/);
  expect(JSON.stringify([once, stderr])).not.toContain("ada@");
  expect((await fourward([...args, "--once"])).stdout).toBe("digests written: 0; letters sent: 0\n");

  writeFileSync(join(folder, "report.eml"), "Subject: hello\r\n\r\nMessage-ID: <x@y>\r\n");
  expect((await fourward(["digest", "--report", join(folder, "report.eml")])).stdout).toBe("unknown\n");
});

it.each([
  [["--once", "--daemon"], "expected one of --once, --daemon and --report <file>"],
  [["--once", ...addresses], "--smtp or FOURWARD_SMTP: expected a mail server such as"],
  [["--once", "--smtp", "mail.example.org", ...addresses], "--smtp or FOURWARD_SMTP: expected a mail server such as"],
  [
    ["--once", "--smtp", "smtp://x", "--from", "x", "--base", "https://x"],
    "expected an address such as digest@example.org",
  ],
  [["--once", "--smtp", "smtp://x", ...addresses, "--base", "papers"], "expected the site that links lead to"],
  [["--once", "--smtp", "smtp://x", ...addresses, "--dkim", "x"], "expected domain:selector:file"],
  [["--once", "--smtp", "smtp://x", ...addresses, "--dkim", "a:b:/nowhere/key"], "read the DKIM key /nowhere/key"],
  [["--report", "/nowhere/report"], "read the report /nowhere/report"],
])("digest %j fails in one sentence", async (args, message) => {
  const { code, stdout, stderr } = await fourward(["digest", ...args]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^fourward: [^\n]*\n$/);
  expect(stderr).toContain(message);
});
