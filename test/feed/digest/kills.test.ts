/** The digest is sent once a day wherever the process that sends it is killed; on files, against a real SMTP server. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CLAIM, confirm, scheduleDigests, sendDue, subscribe } from "../../../src/feed/digest/index.ts";
import { openFeed } from "../../../src/feed/index.ts";
import { root } from "../../cli/process.ts";
import { type MailServer, mailServer, plain } from "./smtp.ts";

const patient = 400_000;
let folder = "";
let server: MailServer;

/** Runs the sender as a process that kills itself at a step. */
const killedAt = (step: string, now: Date): Promise<void> =>
  new Promise((done, fail) => {
    const args = ["--import", "tsx", "test/feed/digest/send-killed.ts", folder, server.url, now.toISOString(), step];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    child.on("error", fail).on("close", (code, signal) => {
      if (signal === "SIGKILL") done();
      else fail(new Error(`ended with ${code ?? signal}, not killed`));
    });
  });

const mail = () => ({ smtp: server.url, from: "digest@example.org", base: "https://papers.example.org" });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fourward-kills-"));
  server = await mailServer();
  const feed = await openFeed({ url: null, folder });
  const now = new Date("2026-11-01T12:00:00Z");
  await subscribe(feed.db, { email: "a@example.org", hour: 8, timeZone: "UTC" }, { now, domain: "example.org" });
  await sendDue(feed.db, { mail: mail(), now: () => now });
  const token = /confirm\?token=([\w-]+)/.exec(plain(server.received[0]?.raw ?? ""))?.[1] ?? "";
  expect(await confirm(feed.db, token, now)).toBe(true);
  await feed.close();
}, patient);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Letters that a kill at this step leaves undelivered for good: only the one whose fate nobody could know. */
const lost: Readonly<Record<string, number>> = { closing: 1 };

it.each(
  ["opened", "scheduled", "claimed", "composed", "transmitted", "closing", "accepted", "recorded"].map(
    (s, i) => [s, i] as const,
  ),
)(
  "killed when it is %s",
  async (step, day) => {
    const at = new Date(Date.UTC(2026, 10, 2 + day, 8, 0, 1));
    const before = server.received.length;
    await killedAt(step, at);
    const feed = await openFeed({ url: null, folder });
    // Once more at once, when whatever was in hand is free again, and for nothing.
    let late = 0;
    for (const after of [1000, CLAIM + 2000, 2 * CLAIM]) {
      const now = new Date(at.getTime() + after);
      await scheduleDigests(feed.db, { now, domain: "example.org" });
      late = (await sendDue(feed.db, { mail: mail(), now: () => now })).sent;
    }
    await feed.close();
    expect(late).toBe(0);
    expect(server.received.length - before).toBe(1 - (lost[step] ?? 0));
  },
  patient,
);
