/** What is refused: injection, stored scripts, forged tokens, others' things, floods, slow clients. Nothing is lost by it. */
import { connect } from "node:net";
import { sql } from "kysely";
import { describe, expect, it, vi } from "vitest";
import { scheduleDigests, sendDue } from "../../src/feed/digest/index.ts";
import { embeddingOf, writeFound } from "../../src/feed/index.ts";
import { RateLimiter } from "../../src/studio/rate.ts";
import { isLoopbackHost, networkOf } from "../../src/studio/visitor.ts";
import { onDatabases } from "../feed/databases.ts";
import { mailServer, plain } from "../feed/digest/smtp.ts";
import { library } from "./library.ts";
import { rawRequest, testStudio, unlimited } from "./studio.ts";

// Patient: tests share the machine with others.
vi.setConfig({ testTimeout: 300_000 });

const quick = { kind: "study", slug: "quick", scale: "smoke" };
const token = "a token of at least sixteen letters";

/** What breaks out of SQL, of text search, of HTML, of JSON, of paths, of headers. */
const attacks = [
  "'; drop table papers; --",
  '" or 1=1 --',
  "x') union select email from subscribers --",
  "a & | ! ( :* <-> \\",
  "%00\u0000%",
  "\u0000",
  "<script>alert(1)</script>",
  "{{constructor.constructor('alert(1)')()}}",
  "../../../../etc/passwd",
  "..%2f..%2f..%2fetc%2fpasswd",
  "%2e%2e%2f%2e%2e%2fetc/passwd",
  "a\r\nset-cookie: x=y",
  "__proto__",
  "constructor",
  "🜚".repeat(100),
  "a".repeat(5000),
];

describe("names and networks", () => {
  it("of this machine are known, and no other's", () => {
    for (const host of ["localhost", "localhost:80", "127.0.0.1:8765", "[::1]:1", "[::1]", "a.localhost", "127.9.9.9"])
      expect([host, isLoopbackHost(host)]).toEqual([host, true]);
    for (const host of [
      "",
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "10.0.0.1",
      "notlocalhost",
    ])
      expect([host, isLoopbackHost(host)]).toEqual([host, false]);
  });

  it("are cut to the part that one subscriber of a provider has", () => {
    expect(networkOf("192.0.2.77")).toBe("192.0.2");
    expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2");
    expect(networkOf("2001:db8::5")).toBe("2001:db8:0:0");
    expect(networkOf("2001:0DB8:0000:0000:1::")).toBe("2001:db8:0:0");
  });
});

onDatabases("the studio refuses", (feed) => {
  const intact = async (papers = library.catalogue.length) => {
    const { n } = await feed()
      .db.selectFrom("papers")
      .select((e) => e.fn.countAll<number>().as("n"))
      .executeTakeFirstOrThrow();
    expect(n).toBe(papers);
  };

  it("injection in every field", async () => {
    await using s = await testStudio(feed());
    const visitor = s.browser();
    const run = (await visitor.send("POST", "/api/runs", quick)).json.id;
    for (const attack of attacks) {
      const text = encodeURIComponent(attack);
      const raw = encodeURI(attack).replaceAll("?", "");
      for (const path of [
        ...["q", "topic", "runs", "from", "to", "sort", "page", "nothing"].map((name) => `/api/papers?${name}=${text}`),
        ...[
          `/?q=${text}`,
          `/api/papers/${text}`,
          `/papers/${text}`,
          `/papers/${raw}`,
          `/api/runs/${text}`,
          `/runs/${text}`,
        ],
        ...[
          `/api/runs/${run}/files/${text}`,
          `/api/runs/${run}/files/${raw}`,
          `/${text}`,
          `/${raw}`,
          `/assets/${text}`,
        ],
        `/subscription/confirm?token=${text}`,
      ]) {
        const { status, headers, text: body } = await visitor.get(path);
        expect([path, status, status < 500 && [200, 400, 404].includes(status)]).toEqual([path, status, true]);
        expect(body).not.toMatch(/root:x:/);
        // In JSON it is text, and no browser takes that for a page.
        if (headers.get("content-type")?.startsWith("text/html")) expect(body).not.toMatch(/<script>alert/);
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        expect(headers.get("set-cookie")).toBe(null);
      }
      const study = { ...quick, slug: attack };
      const probe = { kind: "probe", model: "fourward-4m", probe: "neurons" };
      for (const [method, path, body] of [
        ["POST", "/api/runs", study],
        ["POST", "/api/runs", { ...quick, scale: attack }],
        ["POST", "/api/runs", { ...quick, seeds: [attack] }],
        ["POST", "/api/runs", { ...quick, [attack]: 1 }],
        ["POST", "/api/runs", { kind: attack }],
        ["POST", "/api/runs", { ...probe, model: attack }],
        ["POST", "/api/runs", { ...probe, probe: attack }],
        // An option of this name is none: it is left out, and the rest is a run that may be.
        ...(attack === "__proto__" ? [] : [["POST", "/api/runs", { ...probe, settings: { [attack]: 1 } }] as const]),
        ["POST", "/api/runs", { ...probe, settings: { threshold: attack } }],
        ["POST", "/api/runs", attack],
        ["PUT", `/api/papers/${text}/vote`, { active: true }],
        ["PUT", "/api/papers/quick/vote", { active: attack }],
        ["POST", `/api/papers/${text}/read`, {}],
        ["POST", "/api/session", { token: attack }],
        ["POST", "/api/subscriptions", { email: attack, hour: 8, timeZone: "UTC" }],
        ["POST", "/api/subscriptions", { email: "a@example.org", hour: attack, timeZone: "UTC" }],
        ["POST", "/api/subscriptions", { email: "a@example.org", hour: 8, timeZone: attack }],
        // A word in small letters may be a topic.
        ...(attack === "constructor"
          ? []
          : [
              [
                "POST",
                "/api/subscriptions",
                { email: "a@example.org", hour: 8, timeZone: "UTC", topics: [attack] },
              ] as const,
            ]),
        ["POST", "/api/subscriptions/confirm", { token: attack }],
        ["POST", "/api/subscriptions/unsubscribe", { token: attack }],
      ] as const) {
        const { status } = await visitor.send(method, path, body);
        expect([path, body, [400, 401, 404].includes(status) ? "refused" : status]).toEqual([path, body, "refused"]);
      }
      const session = await visitor.get("/api/session", {
        cookie: `fourward_visitor=${text}; fourward_access=${text}`,
      });
      expect(session.status).toBe(200);
    }
    await intact();
    expect(await feed().db.selectFrom("subscribers").selectAll().execute()).toEqual([]);
    expect(await feed().db.selectFrom("runs").select("id").execute()).toEqual([{ id: run }]);
    expect(s.log).toEqual([]);
  });

  it("scripts in what comes from elsewhere: they are text, in pages and in their data", async () => {
    const evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028<!--";
    await using s = await testStudio(feed());
    await writeFound(
      feed().db,
      [{ arxiv: "2611.00666", title: evil, abstract: evil, authors: [evil], appearedAt: new Date(), topics: ["moe"] }],
      "hugging-face",
      { embedding: embeddingOf(library), now: new Date() },
    );
    const visitor = s.browser();
    for (const path of ["/papers/arxiv-2611.00666", "/?sort=newest"]) {
      const { text, headers } = await visitor.get(path);
      expect(text).not.toMatch(/<script>alert|<img|<!--/);
      expect(text.match(/<script\b/g)).toHaveLength(2);
      const data = JSON.parse(/id="fourward-data">(.*?)<\/script>/s.exec(text)?.[1] ?? "");
      expect((data.paper ?? data.list.papers[0]).title).toBe(evil);
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toMatch(/script-src 'self' 'wasm-unsafe-eval';/);
      expect(policy).not.toMatch(/script-src[^;]*unsafe-inline|'unsafe-eval'/);
    }
    const { headers } = await visitor.get("/api/papers/arxiv-2611.00666");
    expect([headers.get("content-type"), headers.get("x-content-type-options")]).toEqual([
      "application/json",
      "nosniff",
    ]);
  });

  it("other sites' pages, whatever they send", async () => {
    await using s = await testStudio(feed());
    const { port } = s.studio;
    const visitor = s.browser();
    const own = { "content-type": "application/json", host: `localhost:${port}` };
    const vote = (headers: Record<string, string>) =>
      rawRequest(port, "PUT", "/api/papers/quick/vote", '{"active":true}', { ...own, ...headers });
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { "sec-fetch-site": "cross-site", origin: `http://localhost:${port}` },
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: `https://localhost:${port}` },
      { origin: `http://localhost:${port + 1}` },
    ] as Record<string, string>[])
      expect([headers, (await vote(headers)).status]).toEqual([headers, 403]);
    expect((await vote({ origin: `http://localhost:${port}` })).status).toBe(200);
    expect((await vote({})).status).toBe(200);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
      expect(
        (await visitor.send("PUT", "/api/papers/quick/vote", { active: true }, { "content-type": type })).status,
      ).toBe(415);
    // A name of theirs that leads here is no name of ours.
    for (const host of ["evil.example", `evil.example:${port}`, `localhost.evil.example:${port}`]) {
      const { status, json } = await rawRequest(port, "GET", "/api/papers", undefined, { host });
      expect([status, json.error]).toEqual([421, expect.stringContaining("localhost")]);
    }
    // Also when the answer is ready.
    await visitor.get("/api/papers");
    expect((await rawRequest(port, "GET", "/api/papers", undefined, { host: "evil.example" })).status).toBe(421);
    await visitor.send("PUT", "/api/papers/quick/vote", { active: true });
    const [cookie] = (await s.browser().send("PUT", "/api/papers/quick/vote", { active: true })).headers.getSetCookie();
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
  });

  it("runs by others than users of this machine, without the token", async () => {
    await using s = await testStudio(feed(), {
      host: "0.0.0.0",
      token,
      rates: { ...unlimited(), signIns: new RateLimiter({ burst: 3, perMinute: 1 }, "tries") },
    });
    const { port } = s.studio;
    const far = { host: `papers.example.org:${port}` };
    const visitor = s.browser();
    expect((await visitor.send("POST", "/api/runs", quick, far)).status).toBe(401);
    // A proxy before it makes nobody local, and who says so is not believed.
    for (const name of ["x-forwarded-for", "forwarded", "x-real-ip"])
      expect((await visitor.send("POST", "/api/runs", quick, { [name]: "127.0.0.1" })).status).toBe(401);
    expect((await visitor.get("/metrics", far)).status).toBe(401);
    expect((await visitor.get("/api/session", far)).json).toMatchObject({ mayRun: false, needsToken: true });
    expect((await visitor.send("POST", "/api/session", { token: `${token}x` }, far)).status).toBe(401);
    for (const [name, value] of [
      ["authorization", `Bearer ${token.slice(1)}`],
      ["authorization", token],
      ["cookie", `fourward_access=${token}`],
      ["cookie", `fourward_access=${"a".repeat(43)}`],
    ] as const)
      expect((await visitor.send("POST", "/api/runs", quick, { ...far, [name]: value })).status).toBe(401);
    expect((await visitor.send("POST", "/api/runs", quick, { ...far, authorization: `Bearer ${token}` })).status).toBe(
      201,
    );
    const signedIn = await visitor.send("POST", "/api/session", { token }, far);
    expect([signedIn.status, signedIn.json.mayRun]).toEqual([200, true]);
    expect([...visitor.cookies.values()].join()).not.toContain("sixteen");
    expect((await visitor.send("POST", "/api/runs", quick, far)).status).toBe(201);
    expect((await visitor.send("DELETE", "/api/session", {}, far)).json).toMatchObject({ mayRun: false });
    expect((await visitor.send("POST", "/api/runs", quick, far)).status).toBe(401);
    // Guessing is slow.
    expect((await visitor.send("POST", "/api/session", { token: "guess" }, far)).status).toBe(401);
    expect((await visitor.send("POST", "/api/session", { token }, far)).status).toBe(429);
    await expect(testStudio(feed(), { token: "short" })).rejects.toThrow("at least 16 letters");
  });

  it("cookies that it did not give, and others' votes and runs", async () => {
    await using s = await testStudio(feed());
    const ada = s.browser();
    const { json } = await ada.send("POST", "/api/runs", quick);
    const value = ada.cookies.get("fourward_visitor") as string;
    const forged = [
      `${value.slice(0, 22)}.${"a".repeat(43)}`,
      `${"a".repeat(22)}${value.slice(22)}`,
      value.slice(0, 22),
      `${value}x`,
    ];
    for (const cookie of forged) {
      const mallory = s.browser();
      mallory.cookies.set("fourward_visitor", cookie);
      expect((await mallory.send("POST", `/api/runs/${json.id}/cancel`)).status).toBe(403);
      expect((await mallory.get("/api/runs")).json.runs).toEqual([]);
    }
    expect((await ada.get(`/api/runs/${json.id}`)).json).toMatchObject({ own: true, state: "queued" });
    // Neither cookie nor address is in the database as it is.
    const rows = JSON.stringify(await feed().db.selectFrom("runs").selectAll().execute());
    expect(rows).not.toContain(value.slice(0, 22));
    expect(rows).not.toContain("127.0.0");
  });

  it("forged, replayed and foreign tokens of letters", async () => {
    await using mail = await mailServer();
    const now = new Date();
    await using s = await testStudio(feed());
    const visitor = s.browser();
    const settings = { smtp: mail.url, from: "digest@example.org", base: "https://papers.example.org" };
    const letter = (purpose: string) =>
      new RegExp(`${purpose}\\?token=([\\w-]{43})`).exec(plain(mail.received.at(-1)?.raw ?? ""))?.[1] ?? "";
    const status = async (email: string) =>
      (await feed().db.selectFrom("subscribers").select("status").where("email", "=", email).executeTakeFirst())
        ?.status;
    const use = async (purpose: string, token: string) =>
      (await visitor.send("POST", `/api/subscriptions/${purpose}`, { token })).status;
    const tokens: string[] = [];
    for (const email of ["ada@example.org", "bob@example.org"]) {
      await visitor.send("POST", "/api/subscriptions", { email, hour: now.getUTCHours(), timeZone: "UTC" });
      await sendDue(feed().db, { mail: settings });
      tokens.push(letter("confirm"));
    }
    const [adas = "", bobs = ""] = tokens;
    // For one purpose only, once only, and only the whole of it.
    for (const wrong of ["", "x", "A".repeat(43), adas.slice(1), `${adas}A`])
      expect(await use("confirm", wrong)).toBe(400);
    expect(await use("unsubscribe", adas)).toBe(400);
    expect(await use("confirm", adas)).toBe(200);
    expect(await use("confirm", adas)).toBe(400);
    expect([await status("ada@example.org"), await status("bob@example.org")]).toEqual(["confirmed", "pending"]);
    expect(await use("confirm", bobs)).toBe(200);
    // Looking at a link does nothing: programs that look at mail follow links.
    const tomorrow = new Date(now.getTime() + 24 * 3_600_000);
    await scheduleDigests(feed().db, { now: tomorrow, domain: "example.org" });
    await sendDue(feed().db, { mail: settings, now: () => tomorrow });
    const leaving = letter("unsubscribe");
    const whose = mail.received.at(-1)?.to as string;
    const other = whose === "ada@example.org" ? "bob@example.org" : "ada@example.org";
    expect((await visitor.get(`/subscription/unsubscribe?token=${leaving}`)).status).toBe(200);
    expect(await status(whose)).toBe("confirmed");
    expect(await use("confirm", leaving)).toBe(400);
    expect(await use("unsubscribe", leaving)).toBe(200);
    expect(await use("unsubscribe", leaving)).toBe(400);
    expect([await status(whose), await status(other)]).toEqual(["unsubscribed", "confirmed"]);
    // Whether an address is known shows neither in answers nor in the log.
    const [known, unknown] = [
      await visitor.send("POST", "/api/subscriptions", { email: other, hour: 1, timeZone: "UTC" }),
      await visitor.send("POST", "/api/subscriptions", { email: "carol@example.org", hour: 1, timeZone: "UTC" }),
    ];
    expect([known.status, known.text]).toEqual([unknown.status, unknown.text]);
    expect(s.log.join()).not.toContain("@");
  });

  it("bodies that are too large, with and without their length", async () => {
    await using s = await testStudio(feed());
    const visitor = s.browser();
    const large = JSON.stringify({ ...quick, more: "x".repeat(20_000) });
    const told = await visitor.send("POST", "/api/runs", large);
    expect([told.status, told.json.error]).toEqual([413, "the body is too large; at most 16 kB are taken"]);
    const untold = await new Promise<string>((done, fail) => {
      const socket = connect(s.studio.port, "127.0.0.1");
      let answer = "";
      socket.on("data", (data) => {
        answer += data;
        if (answer.includes("\r\n\r\n")) socket.destroy();
      });
      socket.on("close", () => done(answer)).on("error", fail);
      socket.write(
        "POST /api/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
      );
      socket.write(`${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`);
    });
    expect(untold).toMatch(/^HTTP\/1\.1 413 /);
    const headers = await rawRequest(s.studio.port, "GET", "/api/papers", undefined, {
      host: "localhost",
      x: "y".repeat(40_000),
    });
    expect(headers.status).toBe(431);
    expect((await visitor.get("/health")).json.queue).toEqual({ queued: 0, running: 0 });
  });

  it("floods, and says when to come again", async () => {
    const few = () => new RateLimiter({ burst: 3, perMinute: 1 }, "requests");
    await using s = await testStudio(feed(), {
      rates: { writes: few(), computed: few(), signIns: few(), subscriptions: few() },
    });
    const searches = [];
    for (let i = 0; i < 5; i++) searches.push(await s.browser().get(`/api/papers?q=word${i}`));
    expect(searches.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429]);
    expect(Number(searches[4]?.headers.get("retry-after"))).toBeGreaterThan(30);
    // What is ready is given to everybody.
    expect((await s.browser().get("/api/papers?q=word1")).status).toBe(200);
    const votes = [];
    // New cookies make no new client.
    for (let i = 0; i < 5; i++)
      votes.push((await s.browser().send("PUT", "/api/papers/quick/vote", { active: true })).status);
    expect(votes).toEqual([200, 200, 200, 429, 429]);
  });

  it("slow clients, while others are served", async () => {
    await using s = await testStudio(feed(), { headerSeconds: 1, requestSeconds: 2 });
    const drip = (first: string) =>
      new Promise<{ seconds: number; answer: string }>((done) => {
        const started = performance.now();
        const socket = connect(s.studio.port, "127.0.0.1");
        let answer = "";
        socket.write(first);
        const timer = setInterval(() => socket.write("a"), 100);
        socket.on("data", (data) => {
          answer += data;
        });
        socket.on("error", () => {});
        socket.on("close", () => {
          clearInterval(timer);
          done({ seconds: (performance.now() - started) / 1000, answer });
        });
      });
    const headers = "GET /api/papers HTTP/1.1\r\nhost: localhost\r\nx: ";
    const body =
      "POST /api/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n";
    const slow = [...Array.from({ length: 20 }, () => drip(headers)), ...Array.from({ length: 20 }, () => drip(body))];
    expect((await s.browser().get("/api/papers")).status).toBe(200);
    for (const { seconds, answer } of await Promise.all(slow)) {
      expect(seconds).toBeLessThan(30);
      expect(answer).toMatch(/^(HTTP\/1\.1 408 |$)/);
    }
    expect((await s.browser().get("/health")).json).toMatchObject({ status: "ok", queue: { queued: 0 } });
  });

  it("silent clients, but none that waits for an answer", async () => {
    await using s = await testStudio(feed(), { silentSeconds: 0.4 });
    const open = async () => {
      const socket = connect(s.studio.port, "127.0.0.1");
      let answer = "";
      socket.on("data", (data) => {
        answer += data;
      });
      const closed = new Promise<void>((done) => socket.on("error", () => {}).on("close", () => done()));
      await new Promise((done) => socket.on("connect", done));
      return { socket, closed, answered: () => answer };
    };
    const silent = await open();
    await silent.closed;
    expect(silent.answered()).toBe("");

    // The database answers after more than the silence that is borne.
    let late: Promise<{ status: number }> = Promise.resolve({ status: 0 });
    await feed()
      .db.transaction()
      .execute(async (tx) => {
        await sql`lock table papers in access exclusive mode`.execute(tx);
        late = s.browser().get("/api/papers");
        await new Promise((done) => setTimeout(done, 1200));
      });
    expect((await late).status).toBe(200);

    // The process stands still while a request waits to be read.
    const stalled = await open();
    await new Promise((done) => setTimeout(done, 100));
    stalled.socket.write("GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    await stalled.closed;
    expect(stalled.answered()).toMatch(/^HTTP\/1\.1 200 /);
  });
});
