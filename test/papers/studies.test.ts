/** Every study that runs, at smoke scale: its facts are those of the catalogue, and each claim gets a measurement. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { releaseSessions } from "../../src/array/index.ts";
import { catalogue, studies } from "../../src/papers/index.ts";
import { runStudy, SkippedError } from "../../src/report/index.ts";

let out = "";
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "fourward-studies-"));
});
afterAll(async () => {
  await rm(out, { recursive: true, force: true });
  await releaseSessions();
});

describe.each(Object.keys(studies))("%s", (slug) => {
  it("runs at smoke scale to a verdict for each claim and a report", { timeout: 120_000 }, async ({ skip }) => {
    const study = await (studies[slug] as (typeof studies)[string])();
    const entry = catalogue.find((paper) => paper.slug === slug);
    expect({ number: study.number, title: study.title, year: study.year }).toEqual({
      number: entry?.number,
      title: entry?.title,
      year: entry?.year,
    });
    const progress: number[] = [];
    const result = await runStudy(study, {
      scale: "smoke",
      device: "cpu",
      out,
      command: `fourward run ${slug} --scale smoke`,
      onProgress: ({ done, total }) => progress.push(done / total),
    }).catch((error: unknown) => {
      if (error instanceof SkippedError) return skip(`skipped: ${error.message}`);
      throw error;
    });
    expect(result.claims.map(({ id }) => id)).toEqual(Object.keys(study.claims));
    for (const { measured, spread, verdict } of result.claims) {
      expect(Number.isFinite(measured)).toBe(true);
      expect(spread.seeds).toBeGreaterThanOrEqual(1);
      expect(["holds", "fails", "inconclusive"]).toContain(verdict);
    }
    // Counts and identities need no evidence: they hold at any scale.
    for (const claim of result.claims) if (claim.spread.exact) expect(claim).toMatchObject({ verdict: "holds" });
    expect(result.evidence).toBe(false);
    expect(progress.length).toBeGreaterThan(0);
    expect(Math.max(...progress)).toBeLessThanOrEqual(1);
    const [json, page] = await Promise.all(result.artifacts.slice(0, 2).map((path) => readFile(path, "utf8")));
    expect(JSON.parse(json as string)).toMatchObject({ paper: { slug }, scale: "smoke", evidence: false });
    expect(page).toContain("no evidence");
    expect(page).toContain("<svg");
  });
});
