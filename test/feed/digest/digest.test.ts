import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  confirm,
  localDate,
  type MailSettings,
  nextHour,
  type Subscription,
  scheduleDigests,
  sendDue,
  subscribe,
  subscriptionRoutes,
  takeMailReport,
  unsubscribe,
} from "../../../src/feed/digest/index.ts";
import { embeddingOf, recordVote, writeFound } from "../../../src/feed/index.ts";
import { library } from "../../../src/papers/index.ts";
import { onDatabases } from "../databases.ts";
import { type MailBehaviour, mailServer, plain } from "./smtp.ts";

const start = new Date("2026-11-24T12:00:00Z");
const hours = (n: number, from = start) => new Date(from.getTime() + n * 3_600_000);
const domain = "example.org";
const embedding = embeddingOf(library);

describe("local time", () => {
  it("comes once a day, also when clocks change", () => {
    for (const [zone, from] of [
      ["Europe/Vienna", "2027-03-26T12:00:00Z"],
      ["Europe/Vienna", "2026-10-23T12:00:00Z"],
      ["America/New_York", "2027-03-12T12:00:00Z"],
      ["Asia/Kolkata", "2026-11-24T12:00:00Z"],
    ] as const)
      for (const hour of [0, 1, 2, 3, 23]) {
        const dates: string[] = [];
        for (let at = new Date(from), i = 0; i < 5; i++) {
          at = nextHour(hour, zone, at);
          dates.push(localDate(at, zone));
        }
        const first = Date.parse(dates[0] as string);
        expect([zone, hour, dates]).toEqual([
          ...[zone, hour],
          Array.from({ length: 5 }, (_, i) => new Date(first + i * 86_400_000).toISOString().slice(0, 10)),
        ]);
      }
    expect(nextHour(8, "Europe/Vienna", start).toISOString()).toBe("2026-11-25T07:00:00.000Z");
    expect(nextHour(8, "Asia/Kolkata", start).toISOString()).toBe("2026-11-25T02:30:00.000Z");
  });
});

onDatabases("the digest", (feed) => {
  const setting = async (behaviour: MailBehaviour = {}, more: Partial<MailSettings> = {}) => {
    const server = await mailServer(behaviour);
    const mail = { smtp: server.url, from: "digest@example.org", base: "https://papers.example.org", ...more };
    const { db } = feed();
    const letters = () => server.received.map(({ raw }) => plain(raw));
    const tokenIn = (text: string | undefined) => /token=([\w-]{43})/.exec(text ?? "")?.[1] ?? "";
    const tick = async (now: Date) => {
      await scheduleDigests(db, { now, domain });
      return sendDue(db, { mail, now: () => now });
    };
    const ask = (given: Partial<Subscription> = {}, now = start) =>
      subscribe(db, { email: "ada@example.org", hour: 8, timeZone: "UTC", ...given }, { now, domain });
    const join = async (given: Partial<Subscription> = {}, now = start) => {
      await ask(given, now);
      await tick(now);
      expect(await confirm(db, tokenIn(letters().at(-1)), now)).toBe(true);
    };
    const status = async () => (await db.selectFrom("subscribers").select(["status", "suppressed"]).execute())[0];
    return {
      ...{ server, mail, db, letters, tokenIn, tick, ask, join, status },
      [Symbol.asyncDispose]: server[Symbol.asyncDispose],
    };
  };

  it("comes after double opt-in, at the hour, once a day, with what is trending and on one's topics", async () => {
    await using s = await setting();
    const papers = ["2611.00001", "2611.00002"].map((arxiv, i) => ({
      ...{ arxiv, title: `Paper <b>${i}</b> & co`, abstract: "<script>alert(1)</script> words", authors: [] },
      ...{ appearedAt: start, topics: [i === 0 ? "moe" : "fourier"] },
    }));
    await writeFound(s.db, papers, "arxiv", { embedding, now: start });
    await recordVote(s.db, "arxiv-2611.00002", { id: "v", network: "n" }, true, start);
    await s.ask();
    expect(await s.tick(start)).toMatchObject({ sent: 1, later: 0, failed: 0 });
    const token = s.tokenIn(s.letters()[0]);
    expect(await s.tick(hours(24))).toMatchObject({ sent: 0 });
    expect(await confirm(s.db, token, hours(1))).toBe(true);
    // Used, for another purpose, forged.
    expect(await confirm(s.db, token, hours(1))).toBe(false);
    expect(await unsubscribe(s.db, token, hours(1))).toBe(false);
    expect(await confirm(s.db, "x".repeat(43), hours(1))).toBe(false);

    expect(await s.tick(hours(19.9))).toMatchObject({ sent: 0 });
    expect(await s.tick(hours(20))).toMatchObject({ sent: 1 });
    expect(await s.tick(hours(21))).toMatchObject({ sent: 0 });
    const digest = s.letters()[1] as string;
    expect(digest).toContain("Fourward 2026-11-25: Paper <b>1</b> & co");
    expect(digest.indexOf("Paper <b>1</b>")).toBeLessThan(digest.indexOf("Paper <b>0</b>"));
    const html = digest.slice(digest.indexOf("text/html"));
    expect(html).toContain("Paper &lt;b&gt;1&lt;/b&gt; &amp; co");
    expect(html).not.toContain("<script>");
    expect(digest).toMatch(/^Content-Type: multipart\/alternative/m);
    await s.db
      .updateTable("papers")
      .set({ runs: true, runs_since: hours(30) })
      .where("arxiv", "=", "2611.00001")
      .execute();
    expect(await s.tick(hours(44))).toMatchObject({ sent: 1 });
    expect(s.letters()[2]).toMatch(/NEWLY RUNS\r\n\r\nPaper <b>0<\/b>/);
    // Papers on other topics are left out.
    await s.join({ email: "bob@example.org", topics: ["moe"] }, hours(45));
    await s.tick(hours(68));
    const bobs = s.server.received.filter(({ to }) => to === "bob@example.org").at(-1)?.raw ?? "";
    expect(plain(bobs)).toContain("Paper <b>0</b>");
    expect(plain(bobs)).not.toContain("Paper <b>1</b>");
    // Nothing in the database is a token.
    const kept = JSON.stringify([
      await s.db.selectFrom("tokens").selectAll().execute(),
      await s.db.selectFrom("outbox").selectAll().execute(),
    ]);
    for (const letter of s.letters()) expect(kept).not.toContain(s.tokenIn(letter));
  });

  it("leaves out hours that went by, and never comes twice on a day for those who move", async () => {
    await using s = await setting();
    await s.join();
    // Down from before Wednesday's hour to Thursday, two in the morning.
    expect(await s.tick(new Date("2026-11-26T02:00:00Z"))).toMatchObject({ sent: 0 });
    expect(await s.tick(new Date("2026-11-26T08:00:00Z"))).toMatchObject({ sent: 1 });
    // Late on the same day is better than never.
    expect(await s.tick(new Date("2026-11-27T19:00:00Z"))).toMatchObject({ sent: 1 });
    expect(await unsubscribe(s.db, s.tokenIn(s.letters().at(-1)), new Date("2026-11-27T19:30:00Z"))).toBe(true);
    await s.join({ timeZone: "Asia/Tokyo", hour: 7 }, new Date("2026-11-27T20:00:00Z"));
    expect(await s.tick(new Date("2026-11-28T01:00:00Z"))).toMatchObject({ sent: 0 });
    expect(await s.tick(new Date("2026-11-28T22:00:00Z"))).toMatchObject({ sent: 1 });
  });

  it("is left with one click, and the link works once", async () => {
    await using s = await setting();
    await s.join();
    await s.tick(hours(20));
    const digest = s.letters().at(-1) as string;
    const link = /^List-Unsubscribe:\s+<([^>]+)>/m.exec(s.server.received.at(-1)?.raw ?? "")?.[1] as string;
    expect(digest).toMatch(/^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m);
    const app = subscriptionRoutes({ db: s.db, domain, now: () => hours(21) });
    const { pathname, search } = new URL(link);
    const path = pathname.replace("/subscription", "") + search;
    // A program that follows links changes nothing.
    expect((await app.request(path)).status).toBe(200);
    expect(await s.status()).toMatchObject({ status: "confirmed" });
    const click = () =>
      app.request(path, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: "List-Unsubscribe=One-Click",
      });
    expect((await click()).status).toBe(200);
    expect(await s.status()).toMatchObject({ status: "unsubscribed" });
    expect((await click()).status).toBe(400);
    expect(await s.tick(hours(44))).toMatchObject({ sent: 0 });
  });

  it("is subscribed to by a form that tells nothing about others and fills nobody's mailbox", async () => {
    await using s = await setting();
    const app = subscriptionRoutes({ db: s.db, domain, now: () => start });
    const post = async (fields: Record<string, string>) => {
      const response = await app.request("/", { method: "POST", body: new URLSearchParams(fields) });
      return [response.status, await response.text()] as const;
    };
    const good = { email: "Ada@Example.ORG", topics: "", hour: "8", timeZone: "Europe/Vienna" };
    const first = await post(good);
    expect(first[0]).toBe(200);
    for (let i = 0; i < 5; i++) expect(await post({ ...good, email: "ADA@example.org" })).toEqual(first);
    await s.tick(start);
    expect(s.server.received.map(({ to }) => to)).toEqual(["Ada@example.org"]);
    for (const bad of [
      { ...good, email: "ada" },
      { ...good, email: "a@example.org\r\nBcc: b@example.org" },
      { ...good, hour: "24" },
      { ...good, hour: "" },
      { ...good, timeZone: "Mars/Base" },
      { ...good, topics: "<script>" },
    ])
      expect((await post(bad))[0]).toBe(400);
    expect((await app.request("/", { method: "POST", body: "x".repeat(20_000) })).status).toBe(413);
    expect(await s.db.selectFrom("subscribers").selectAll().execute()).toHaveLength(1);
  });

  it("is tried again after what may pass, and not sent on a later day", async () => {
    let busy = true;
    await using s = await setting({ end: () => (busy ? { code: 451, text: "4.3.0 later, ada@example.org" } : null) });
    busy = false;
    await s.join();
    busy = true;
    expect(await s.tick(hours(20))).toMatchObject({ sent: 0, later: 1 });
    expect(await s.tick(hours(20.001))).toMatchObject({ later: 0 });
    expect(await s.tick(hours(20.1))).toMatchObject({ later: 1 });
    busy = false;
    expect(await s.tick(hours(21))).toMatchObject({ sent: 1 });
    busy = true;
    await s.tick(hours(44));
    busy = false;
    await s.db.updateTable("subscribers").set({ next_digest_at: null }).execute();
    expect(await s.tick(hours(61))).toMatchObject({ sent: 0 });
    const rows = await s.db
      .selectFrom("outbox")
      .select(["status", "failure"])
      .where("kind", "=", "digest")
      .orderBy("id")
      .execute();
    expect(rows.map(({ status }) => status)).toEqual(["sent", "expired"]);
    expect(JSON.stringify(rows)).not.toContain("ada");
  });

  it.each([
    [
      { code: 550, text: "5.1.1 no such user" },
      { status: "suppressed", suppressed: "bounce" },
    ],
    [
      { code: 554, text: "5.7.1 looks like spam" },
      { status: "confirmed", suppressed: null },
    ],
  ] as const)("refused with %j", async (answer, status) => {
    let isGone = false;
    await using s = await setting({ recipient: () => (isGone ? answer : null) });
    await s.join();
    isGone = true;
    expect(await s.tick(hours(20))).toMatchObject({ failed: 1, later: 0 });
    expect(await s.status()).toEqual(status);
    await s.ask({}, hours(21));
    expect(await s.tick(hours(21))).toMatchObject({ sent: 0, failed: 0 });
  });

  it("stops after bounces and complaints that come by mail, and knows forged ones", async () => {
    await using s = await setting();
    await s.join();
    await s.tick(hours(20));
    const id = /^Message-ID: <(.+)>/m.exec(s.letters().at(-1) as string)?.[1] as string;
    const report = (kind: string, messageId: string) =>
      `From: mailer@example.net\r\nContent-Type: multipart/report; report-type=x; boundary=b\r\n\r\n--b\r\n${kind}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <${messageId}>\r\n\r\n--b--\r\n`;
    const bounce =
      "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; ada@example.org\r\nAction: failed\r\nStatus: 5.1.1";
    const waiting = bounce.replace("failed", "delayed").replace("5.1.1", "4.2.2");
    const complaint = "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse";
    expect(await takeMailReport(s.db, report(bounce, `${"0".repeat(32)}@example.org`))).toBe("unknown");
    expect(await takeMailReport(s.db, report(bounce, id).replace("multipart/report", "text/plain"))).toBe("unknown");
    expect(await takeMailReport(s.db, report(waiting, id))).toBe("passing");
    expect(await s.status()).toMatchObject({ status: "confirmed" });
    expect(await takeMailReport(s.db, report(complaint, id))).toBe("complaint");
    expect(await s.status()).toEqual({ status: "suppressed", suppressed: "complaint" });
    expect(await s.tick(hours(44))).toMatchObject({ sent: 0 });
    expect(await takeMailReport(s.db, report(bounce, id))).toBe("bounce");
  });

  it("is sent once by two senders at a time, and not by one that was too slow", async () => {
    await using s = await setting();
    for (let i = 0; i < 6; i++) await s.ask({ email: `u${i}@example.org` });
    const sender = () => sendDue(s.db, { mail: s.mail, now: () => start });
    const both = await Promise.all([sender(), sender()]);
    expect(both.reduce((total, { sent }) => total + sent, 0)).toBe(6);
    expect(new Set(s.server.received.map(({ to }) => to)).size).toBe(6);
    await s.ask({ email: "slow@example.org" });
    const slow = await sendDue(s.db, {
      ...{ mail: s.mail, now: () => start },
      observe: async (step) => {
        if (step === "transmitted") await s.db.updateTable("outbox").set({ claimed_by: "another" }).execute();
      },
    });
    expect(slow).toMatchObject({ sent: 0 });
    expect(s.server.received).toHaveLength(6);
  });

  it("is signed where there is a key, unsubscription included", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    await using s = await setting({}, { dkim: { domainName: "example.org", keySelector: "k", privateKey: pem } });
    await s.join();
    await s.tick(hours(20));
    const raw = s.server.received.at(-1)?.raw ?? "";
    const [head = ""] = raw.split("\r\n\r\n");
    const fields = head.split(/\r\n(?![ \t])/);
    const signature = fields.find((field) => /^DKIM-Signature:/i.test(field)) ?? "";
    const names = (/;h=([^;]+);/.exec(signature.replaceAll(/\s+/g, ""))?.[1] ?? "").toLowerCase().split(":");
    expect(names).toEqual(expect.arrayContaining(["from", "list-unsubscribe", "list-unsubscribe-post"]));
    // Relaxed canonical form of the signed fields and of the signature without its value (RFC 6376, 3.4.2).
    const relaxed = (field: string) => {
      const at = field.indexOf(":");
      return `${field.slice(0, at).toLowerCase().trim()}:${field
        .slice(at + 1)
        .replaceAll("\r\n", "")
        .replaceAll(/[ \t]+/g, " ")
        .trim()}`;
    };
    const signed = names.flatMap((name) =>
      fields.filter((field) => field.toLowerCase().startsWith(`${name}:`)).map(relaxed),
    );
    const value = /\bb=([^;]+)$/.exec(signature)?.[1]?.replaceAll(/\s+/g, "") ?? "";
    const data = [...signed, relaxed(signature.replace(/\bb=[^;]+$/, "b="))].join("\r\n");
    const key = createPublicKey(createPrivateKey(pem));
    expect(verify("rsa-sha256", Buffer.from(data), key, Buffer.from(value, "base64"))).toBe(true);
  });
});
