/** Every route of the studio, and that what it says has the form of the contract. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import type { z } from "zod";
import { sendDue } from "../../src/feed/digest/index.ts";
import { embeddingOf, writeFound } from "../../src/feed/index.ts";
import * as api from "../../src/studio/api.ts";
import { onDatabases } from "../feed/databases.ts";
import { mailServer, plain } from "../feed/digest/smtp.ts";
import { library } from "./library.ts";
import { type Browser, type Reply, rawRequest, testStudio } from "./studio.ts";

// Patient: tests share the machine with others.
vi.setConfig({ testTimeout: 300_000 });

/** What was said, in the form of the contract and nothing beside it. */
function said<S extends z.ZodType>(schema: S, { status, json, text }: Reply, wanted = 200): z.infer<S> {
  expect([status, text.slice(0, 300)]).toEqual([wanted, expect.anything()]);
  const parsed = schema.parse(json);
  expect(json).toEqual(parsed);
  return parsed;
}

const quick = { kind: "study", slug: "quick", scale: "smoke" };

/** Server-sent events up to the end of the stream. */
function eventsIn(text: string): { event: string; data: unknown }[] {
  return text
    .split("\n\n")
    .map((block) => ({ event: /^event: (.*)$/m.exec(block)?.[1], data: /^data: (.*)$/m.exec(block)?.[1] }))
    .flatMap(({ event, data }) => (event && data ? [{ event, data: JSON.parse(data) }] : []));
}

async function over(visitor: Browser, id: string): Promise<api.RunDetail> {
  for (let i = 0; i < 900; i++) {
    const { json } = await visitor.get(`/api/runs/${id}`);
    if (["done", "failed", "cancelled"].includes(json.state))
      return said(api.runDetail, await visitor.get(`/api/runs/${id}`));
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${id} is not over`);
}

onDatabases("the studio", (feed) => {
  it("finds, lists and shows papers", async () => {
    await using s = await testStudio(feed());
    const [visitor] = [s.browser()];
    await writeFound(
      feed().db,
      [
        {
          arxiv: "2611.00001",
          title: "New",
          abstract: "Words. ".repeat(100),
          authors: ["A"],
          appearedAt: new Date(),
          topics: ["moe"],
        },
      ],
      "arxiv",
      { embedding: embeddingOf(library), now: new Date() },
    );
    const all = said(api.paperList, await visitor.get("/api/papers"));
    expect([all.total, all.pages, all.query.sort]).toEqual([library.catalogue.length + 1, 1, "trending"]);
    const found = said(
      api.paperList,
      await visitor.get("/api/papers?q=quick+things&topic=moe,fourier&runs=true&from=2000&sort="),
    );
    expect(found.papers[0]).toMatchObject({ slug: "quick", runs: true, votes: 0, verdicts: null });
    expect(found.query).toEqual({
      ...{ q: "quick things", topic: ["moe", "fourier"], runs: true, from: 2000, to: null },
      ...{ sort: "relevance", page: 1 },
    });
    expect(said(api.paperList, await visitor.get("/api/papers?page=7")).papers).toEqual([]);
    const topics = said(api.topicList, await visitor.get("/api/topics"));
    expect(topics.topics.find(({ topic }) => topic === "moe")?.papers).toBe(5);
    const paper = said(api.paperDetail, await visitor.get("/api/papers/quick"));
    expect(paper).toMatchObject({
      ...{ study: "What quick says.", runsHere: null, runsInBrowser: { can: true, why: null } },
      links: [{ url: "https://arxiv.org/abs/2401.00001" }, {}],
      claims: [{ id: "count", figure: 3, tolerance: 0 }, { id: "mean" }],
      code: { command: "fourward run quick --scale small" },
    });
    expect(paper.related).toHaveLength(5);
    expect(paper.related.map(({ slug }) => slug)).not.toContain("quick");
    const other = said(api.paperDetail, await visitor.get("/api/papers/arxiv-2611.00001"));
    expect([other.code, other.runsInBrowser.can, other.about.length <= 281]).toEqual([null, false, true]);
    said(api.problem, await visitor.get("/api/papers/nothing"), 404);
    said(api.problem, await visitor.get("/api/papers?page=0"), 400);
    expect((await visitor.get("/api/papers?sort=loudest")).json.error).toMatch(/^papers: sort: /);
  });

  it("counts votes and reads, and lists that are kept know them at once", async () => {
    await using s = await testStudio(feed());
    const [ada, bob] = [s.browser(), s.browser()];
    const first = async () => said(api.paperList, await ada.get("/api/papers")).papers[0] as api.PaperCard;
    await first();
    expect(said(api.voted, await ada.send("PUT", "/api/papers/failing/vote", { active: true }))).toEqual({
      active: true,
      votes: 1,
    });
    expect(await first()).toMatchObject({ slug: "failing", votes: 1 });
    expect(said(api.voted, await bob.send("PUT", "/api/papers/failing/vote", { active: true })).votes).toBe(2);
    expect(said(api.voted, await bob.send("PUT", "/api/papers/failing/vote", { active: true })).votes).toBe(2);
    expect(said(api.session, await ada.get("/api/session")).votes).toEqual(["failing"]);
    expect(said(api.voted, await ada.send("PUT", "/api/papers/failing/vote", { active: false })).votes).toBe(1);
    expect(said(api.session, await ada.get("/api/session")).votes).toEqual([]);
    expect((await bob.send("POST", "/api/papers/failing/read")).status).toBe(204);
    expect(await feed().db.selectFrom("reads").selectAll().execute()).toHaveLength(1);
    said(api.problem, await ada.send("PUT", "/api/papers/nothing/vote", { active: true }), 404);
    said(api.problem, await ada.send("POST", "/api/papers/nothing/read"), 404);
    said(api.problem, await ada.send("PUT", "/api/papers/quick/vote", { active: "yes" }), 400);
  });

  it("runs a study with live events, and keeps what it found", async () => {
    await using s = await testStudio(feed(), { concurrency: 1 });
    const [ada, bob] = [s.browser(), s.browser()];
    expect(said(api.session, await ada.get("/api/session"))).toMatchObject({ mayRun: true, why: null, active: 0 });
    expect(said(api.paperDetail, await ada.get("/api/papers/quick")).runsHere).toEqual({
      seeds: { smoke: 3, small: 3 },
    });
    const run = said(api.run, await ada.send("POST", "/api/runs", { ...quick, seeds: [4, 5] }), 201);
    expect(run).toMatchObject({ own: true, title: "On quick experts", request: { seeds: [4, 5] } });
    const events = eventsIn((await bob.get(`/api/runs/${run.id}/events`)).text);
    for (const { event, data } of events) api.runEvents[event as keyof typeof api.runEvents].parse(data);
    expect(events[0]).toMatchObject({ event: "run", data: { own: false } });
    expect(events.at(-1)).toMatchObject({ event: "done", data: { outcome: { claims: [{ verdict: "fails" }, {}] } } });
    const done = await over(ada, run.id);
    expect(done).toMatchObject({
      state: "done",
      figures: [{}, { kind: "pictures" }],
      files: ["report.json", "report.html"],
      losses: [
        {
          name: "a model",
          points: [
            [1, 1],
            [2, 0.5],
          ],
        },
      ],
    });
    const report = await bob.get(`/api/runs/${run.id}/report`);
    expect(report.text).toContain("<h1>On quick experts</h1>");
    expect(report.headers.get("content-security-policy")).toMatch(/sandbox/);
    const file = await bob.get(`/api/runs/${run.id}/files/report.json`);
    expect([file.headers.get("content-disposition"), JSON.parse(file.text).seeds]).toEqual([
      expect.stringContaining("attachment"),
      [4, 5],
    ]);
    expect((await bob.get(`/api/runs/${run.id}/files/pieces`)).status).toBe(404);
    // Measurements are on the paper's page, and in lists.
    expect(said(api.paperDetail, await bob.get("/api/papers/quick"))).toMatchObject({
      ...{ measurements: [{ scale: "smoke", claims: [{ measured: 2 }, {}] }] },
      verdicts: { scale: "smoke", holds: 1, fails: 1, inconclusive: 0 },
    });
    expect((await bob.get(`/runs/${run.id}`)).text).toContain("<h1>On quick experts</h1>");
    expect(said(api.runList, await ada.get("/api/runs")).runs.map(({ id }) => id)).toEqual([run.id]);
    expect(said(api.runList, await bob.get("/api/runs")).runs).toEqual([]);
    const failing = said(api.run, await ada.send("POST", "/api/runs", { ...quick, slug: "failing" }), 201);
    const { text } = await ada.get(`/api/runs/${failing.id}/events`);
    expect(eventsIn(text).at(-1)).toEqual({ event: "failed", data: { failure: "nothing can be measured here" } });
  });

  it("tells losses while a run trains, and all so far to who comes later", async () => {
    await using s = await testStudio(feed(), { concurrency: 1 });
    const ada = s.browser();
    const run = said(api.run, await ada.send("POST", "/api/runs", { ...quick, slug: "slow" }), 201);
    const whole = ada.get(`/api/runs/${run.id}/events`);
    let late = said(api.runDetail, await ada.get(`/api/runs/${run.id}`));
    while (late.losses.length === 0) late = said(api.runDetail, await ada.get(`/api/runs/${run.id}`));
    expect(late.state).toBe("running");
    expect(late.losses).toMatchObject([{ name: "a model", points: expect.arrayContaining([[1, 1]]) }]);
    const events = eventsIn((await whole).text);
    const told = events.flatMap(({ event, data }) =>
      event === "progress" ? (api.runProgress.parse(data).training ?? []) : [],
    );
    expect(told.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(told.at(-1)?.losses).toEqual({ "a model": 0.25 });
    const changes = events.flatMap(({ event, data }) =>
      event === "losses" ? api.runEvents.losses.parse(data).changes : [],
    );
    expect(changes).toEqual([1, 2, 3].map((step, kept) => ({ name: "a model", kept, points: [[step, 2 ** -kept]] })));
  });

  it("cancels runs, of their visitor alone, and limits them", async () => {
    await using s = await testStudio(feed(), { limits: { atOnce: 2 } });
    const [ada, bob] = [s.browser(), s.browser()];
    const runs = [await ada.send("POST", "/api/runs", quick), await ada.send("POST", "/api/runs", quick)];
    const third = await ada.send("POST", "/api/runs", quick);
    expect([third.status, third.headers.get("retry-after")]).toEqual([429, "30"]);
    expect(said(api.session, await ada.get("/api/session"))).toMatchObject({
      mayRun: false,
      active: 2,
      why: expect.stringContaining("2 runs"),
    });
    const second = said(api.run, runs[1] as Reply, 201);
    expect(second).toMatchObject({ state: "queued", ahead: 1 });
    const stream = bob.get(`/api/runs/${second.id}/events`);
    said(api.problem, await bob.send("POST", `/api/runs/${second.id}/cancel`), 403);
    said(api.problem, await s.browser().send("POST", `/api/runs/${second.id}/cancel`), 403);
    expect(said(api.run, await ada.send("POST", `/api/runs/${second.id}/cancel`)).state).toBe("cancelled");
    said(api.problem, await ada.send("POST", `/api/runs/${second.id}/cancel`), 409);
    expect(eventsIn((await stream).text).map(({ event }) => event)).toEqual(["run", "cancelled"]);
    said(api.run, await ada.send("POST", "/api/runs", quick), 201);
    for (const [body, status] of [
      [{ ...quick, slug: "nothing" }, 404],
      [{ ...quick, slug: "unwritten" }, 404],
      [{ ...quick, scale: "full" }, 400],
      [{ ...quick, seeds: [1, 1] }, 400],
      [{ kind: "probe", model: "nothing", probe: "neurons" }, 404],
      [{ kind: "probe", model: "fourward-4m", probe: "nothing" }, 404],
      [{ kind: "probe", model: "fourward-4m", probe: "neurons", settings: { triggers: "many" } }, 400],
      [{ kind: "convert", model: "fourward-4m", method: "__proto__" }, 404],
    ] as const)
      said(api.problem, await bob.send("POST", "/api/runs", body), status);
  });

  it("tells of models, health and metrics", async () => {
    await using s = await testStudio(feed());
    const visitor = s.browser();
    const { models, probes, conversions } = said(api.modelList, await visitor.get("/api/models"));
    expect(models[0]).toMatchObject({
      id: "fourward-4m",
      embedded: true,
      layers: 4,
      width: 256,
      parameters: 4_273_664,
    });
    expect(probes.find(({ name }) => name === "spectra")?.options[0]).toMatchObject({
      name: "at",
      choices: expect.arrayContaining(["hidden"]),
    });
    expect(conversions.find(({ name }) => name === "low-rank")?.options).toEqual([
      { name: "rank", type: "integer", default: null },
    ]);
    expect(said(api.health, await visitor.get("/health"))).toMatchObject({ status: "ok", database: feed().kind });
    await visitor.get("/api/topics");
    const { text } = await visitor.get("/metrics");
    expect(text).toMatch(/fourward_requests_total\{method="GET",route="\/api\/topics",status="200"\} 1/);
    expect(text).toMatch(/fourward_runs\{state="queued"\} 0/);
    expect(text).toContain("process_resident_memory_bytes");
  });

  it("takes subscriptions by script and by form, and ends them with one click", async () => {
    await using mail = await mailServer();
    await using s = await testStudio(feed());
    const visitor = s.browser();
    const settings = { smtp: mail.url, from: "digest@example.org", base: "https://papers.example.org" };
    const given = { email: "ada@example.org", topics: ["moe"], hour: 8, timeZone: "Europe/Vienna" };
    expect(said(api.said, await visitor.send("POST", "/api/subscriptions", given), 202).message).toMatch(
      /^If this address/,
    );
    await sendDue(feed().db, { mail: settings });
    const token = /confirm\?token=([\w-]{43})/.exec(plain(mail.received[0]?.raw ?? ""))?.[1] ?? "";
    expect((await visitor.get(`/subscription/confirm?token=${token}`)).text).toContain("<title>subscription</title>");
    said(api.said, await visitor.send("POST", "/api/subscriptions/confirm", { token }));
    expect(await feed().db.selectFrom("subscribers").select(["status", "topics"]).execute()).toEqual([
      { status: "confirmed", topics: ["moe"] },
    ]);
    const form = await visitor.send(
      "POST",
      "/subscription",
      "email=bob%40example.org&topics=moe&topics=ffn&hour=7&timeZone=UTC",
      {
        "content-type": "application/x-www-form-urlencoded",
      },
    );
    expect([form.status, form.text]).toEqual([200, expect.stringContaining("If this address can be subscribed")]);
    const bad = await visitor.send("POST", "/subscription", "email=bob&hour=7&timeZone=UTC", {
      "content-type": "application/x-www-form-urlencoded",
    });
    expect([bad.status, bad.text]).toEqual([400, expect.stringContaining("expected an email address")]);
    // A mail program sends it from nowhere; a token that is none gets its answer, not another site's refusal.
    const click = await rawRequest(
      s.studio.port,
      "POST",
      "/subscription/unsubscribe?token=x",
      "List-Unsubscribe=One-Click",
      {
        ...{ "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site", origin: "null" },
      },
    );
    expect([click.status, click.text]).toEqual([
      400,
      expect.stringContaining("not known, has been used, or is too old"),
    ]);
    await using quiet = await testStudio(feed(), { mailDomain: undefined as never });
    said(api.problem, await quiet.browser().send("POST", "/api/subscriptions", given), 503);
    expect((await quiet.browser().get("/subscription/confirm?token=x")).status).toBe(503);
  });

  it("renders pages with their data, and keeps answers ready until they change", async () => {
    await using s = await testStudio(feed());
    const visitor = s.browser();
    const home = await visitor.get("/", { "accept-encoding": "gzip, br" });
    expect([home.headers.get("content-encoding"), home.headers.get("vary"), home.headers.get("set-cookie")]).toEqual([
      "br",
      "accept-encoding",
      null,
    ]);
    const page = (await visitor.get("/")).text;
    expect(page).toContain('<script type="module" src="/assets/index-abc.js"></script>');
    expect(page).toContain('<link rel="stylesheet" href="/assets/index-abc.css">');
    const data = JSON.parse(/id="fourward-data">(.*?)<\/script>/s.exec(page)?.[1] ?? "");
    expect(data).toMatchObject({ page: "home", sendsMail: true, list: { total: library.catalogue.length } });
    expect(data.list).toEqual((await visitor.get("/api/papers")).json);
    const etag = home.headers.get("etag") ?? "";
    expect((await visitor.get("/", { "if-none-match": etag })).status).toBe(304);
    await visitor.send("PUT", "/api/papers/slow/vote", { active: true });
    expect((await visitor.get("/", { "if-none-match": etag })).status).toBe(200);
    expect((await visitor.get("/papers/slow")).text).toContain("<h1>On slow experts</h1>");
    expect((await visitor.get("/models")).text).toContain('"page":"models"');
    expect((await visitor.get("/subscription")).text).toContain('"action":"subscribe"');
    const missing = await visitor.get("/nowhere");
    expect([missing.status, missing.text]).toEqual([404, expect.stringContaining("there is no GET /nowhere")]);
    const script = await visitor.get("/assets/index-abc.js", { "accept-encoding": "br" });
    expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const raw = await fetch(`${s.studio.url}/assets/index-abc.js`, { headers: { "accept-encoding": "br" } });
    expect(await raw.text()).toContain("console.log");
    expect(existsSync(join(s.folder, "site", "client", "manifest.json"))).toBe(true);
    expect((await visitor.get("/manifest.json")).status).toBe(404);
  });

  it("says how pages are built where they are not", async () => {
    await using s = await testStudio(feed(), { siteFolder: "/nowhere" });
    expect(s.studio.hasPages).toBe(false);
    expect((await s.browser().get("/")).text).toContain("npm run build:studio");
    expect((await s.browser().get("/subscription")).text).toContain('<form method="post">');
    expect((await s.browser().get("/api/papers/quick")).json.runsInBrowser).toEqual({
      can: false,
      why: "the client has not been built on this server",
    });
  });
});
