import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  embeddingOf,
  latestMeasurements,
  searchFeed,
  syncCatalogue,
  takeReports,
  writeFound,
} from "../../src/feed/index.ts";
import { catalogue, type Library, library, studies } from "../../src/papers/index.ts";
import { paper, type Study } from "../../src/report/index.ts";
import { onDatabases } from "./databases.ts";

const now = new Date("2026-11-24T12:00:00Z");

const study = (slug: string): Study =>
  paper({
    ...{ number: 1, slug, title: `On ${slug}`, year: 2024, source: "nowhere", abstract: `Zebras of ${slug}.` },
    claims: { count: { what: "pieces", figure: 3, unit: "", direction: "equals", where: "counted" } },
    seeds: { smoke: 1, small: 1, full: 1 },
    run: async () => {
      throw new Error("not run here");
    },
  });

/** A small library of which the papers in `running` run. */
const small = (running: readonly string[], extra: readonly string[] = []): Library => ({
  catalogue: ["alpha", "beta", "gamma", ...extra].map((slug, i) => ({
    ...{ number: i + 1, slug, title: `On ${slug}`, name: slug, year: 2024, summary: `About ${slug} things.` },
    ...{ topics: ["ffn"], ...(slug === "alpha" ? { arxiv: "2401.00001" } : {}) },
  })),
  studies: Object.fromEntries(running.map((slug) => [slug, async () => study(slug)])),
});

const found = (arxiv: string, title: string, abstract: string) => ({
  ...{ arxiv, title, abstract, authors: ["A. Author"], topics: ["fourier"] },
  appearedAt: new Date("2026-11-20T10:00:00Z"),
});

onDatabases("the catalogue in the database", (feed) => {
  it("holds all papers with their facts, status and claims", async () => {
    const { db } = feed();
    const done = await syncCatalogue(db, library, { now });
    expect(done).toEqual({ papers: 75, runs: Object.keys(studies).length, newlyRuns: [] });
    const { total, papers } = await searchFeed(db, embeddingOf(library), { limit: 100 });
    expect(total).toBe(75);
    for (const entry of catalogue) {
      const row = papers.find(({ slug }) => slug === entry.slug);
      expect(row).toMatchObject({ ...entry, arxiv: entry.arxiv ?? null, runs: Object.hasOwn(studies, entry.slug) });
    }
    const { claims } = await db
      .selectFrom("papers")
      .select("claims")
      .where("slug", "=", "fsq")
      .executeTakeFirstOrThrow();
    expect(claims).toEqual((await studies.fsq?.())?.claims);
  }, 120_000);

  it("tells which papers run newly, once, and not at first", async () => {
    const { db } = feed();
    expect((await syncCatalogue(db, small(["alpha"]), { now })).newlyRuns).toEqual([]);
    expect((await syncCatalogue(db, small(["alpha", "beta"]), { now })).newlyRuns).toEqual(["beta"]);
    expect((await syncCatalogue(db, small(["alpha", "beta"]), { now })).newlyRuns).toEqual([]);
    expect((await syncCatalogue(db, small(["alpha", "beta", "delta"], ["delta"]), { now })).newlyRuns).toEqual([
      "delta",
    ]);
    const rows = await db.selectFrom("papers").select(["slug", "runs_since"]).orderBy("number").execute();
    expect(rows.map(({ slug, runs_since }) => [slug, runs_since?.toISOString()])).toEqual([
      ["alpha", undefined],
      ["beta", now.toISOString()],
      ["gamma", undefined],
      ["delta", now.toISOString()],
    ]);
  });

  it("keeps its own words for a paper that a source tells of, and takes over one that was found before", async () => {
    const { db } = feed();
    const embedding = embeddingOf(small([]));
    const elsewhere = [
      found("2401.00001", "Alpha, as on arXiv", "About walruses."),
      found("2611.00002", "New", "Fresh."),
    ];
    expect(await writeFound(db, elsewhere, "arxiv", { embedding, now })).toBe(2);
    await syncCatalogue(db, small(["alpha"]), { now });
    expect(await writeFound(db, elsewhere, "hugging-face", { embedding, now })).toBe(0);
    const rows = await db.selectFrom("papers").selectAll().orderBy("number").execute();
    expect(rows.map(({ slug, title, source }) => ({ slug, title, source }))).toEqual([
      { slug: "alpha", title: "On alpha", source: "catalogue" },
      { slug: "beta", title: "On beta", source: "catalogue" },
      { slug: "gamma", title: "On gamma", source: "catalogue" },
      { slug: "arxiv-2611.00002", title: "New", source: "arxiv" },
    ]);
    expect(rows[0]).toMatchObject({ abstract: "About walruses.", summary: "About alpha things.", topics: ["ffn"] });
    expect(rows[0]?.embedded_as).toBe(embedding.name);
    const page = await searchFeed(db, embedding, { query: "walrus" });
    expect(page.papers.map(({ slug }) => slug)).toEqual(["alpha"]);
  });

  it("takes reports once each, keeps what they measured, and names broken ones", async () => {
    const { db } = feed();
    await syncCatalogue(db, small(["alpha"]), { now });
    const folder = mkdtempSync(join(tmpdir(), "fourward-reports-"));
    const write = (name: string, content: string) => {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, "report.json"), content);
    };
    const report = (scale: string, started: string, measured: number | null) =>
      JSON.stringify({
        ...{ paper: { slug: "alpha" }, scale, evidence: scale !== "smoke", started, seconds: 2, command: "run alpha" },
        claims: [
          {
            ...{ id: "count", text: "pieces", published: 3, unit: "", direction: "equals", tolerance: 0 },
            ...{ where: "counted", measured, verdict: "holds" },
            spread: { std: 0, low: 3, high: null, seeds: 1, exact: true },
          },
        ],
      });
    try {
      write("alpha-smoke", report("smoke", "2026-11-01T00:00:00.000Z", 1));
      write("alpha-small", report("small", "2026-11-01T00:00:00.000Z", 3));
      write("torn-small", report("small", "2026-11-01T00:00:00.000Z", 3).slice(0, 50));
      write("other-small", '{"scale":"small"}');
      write("probe-model", '{"model":"a model","probes":{"neurons":{}}}');
      mkdirSync(join(folder, "empty"));
      const first = await takeReports(db, folder);
      expect(first.taken).toBe(2);
      expect(first.broken).toEqual([
        expect.stringMatching(/other-small.report\.json: paper is not as in a report$/),
        expect.stringMatching(/torn-small.report\.json: the file is not as in a report$/),
      ]);
      write("alpha-small", report("small", "2026-11-02T00:00:00.000Z", null));
      expect((await takeReports(db, folder)).taken).toBe(1);
      expect((await takeReports(db, folder)).taken).toBe(0);
      const latest = await latestMeasurements(db, "alpha");
      expect(
        latest.map(({ scale, startedAt, evidence, claims }) => [
          scale,
          startedAt.toISOString(),
          evidence,
          claims[0]?.measured,
        ]),
      ).toEqual([
        ["small", "2026-11-02T00:00:00.000Z", true, null],
        ["smoke", "2026-11-01T00:00:00.000Z", false, 1],
      ]);
      expect(await latestMeasurements(db, "beta")).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(await takeReports(db, join(folder, "gone"))).toEqual({ taken: 0, broken: [] });
  });
});

describe("the embedding of the catalogue", () => {
  it("brings forms of a word together and knows nothing of other alphabets' noise", () => {
    const embedding = embeddingOf(library);
    const [a, b, c] = ["quantized", "quantization", "black holes"].map((text) => embedding.embed(text) as Float64Array);
    const cosine = (x: Float64Array, y: Float64Array) => x.reduce((total, v, i) => total + v * (y[i] as number), 0);
    expect(cosine(a as Float64Array, a as Float64Array)).toBeCloseTo(1, 12);
    expect(cosine(a as Float64Array, b as Float64Array)).toBeGreaterThan(0.8);
    expect(cosine(a as Float64Array, c as Float64Array)).toBeLessThan(0.3);
    expect(embedding.embed("ξψω")).toBeNull();
    expect(embedding.embed("")).toBeNull();
    expect(embeddingOf(library).name).toBe(embedding.name);
    expect(embeddingOf({ ...library, catalogue: catalogue.slice(1) }).name).not.toBe(embedding.name);
  });
});
