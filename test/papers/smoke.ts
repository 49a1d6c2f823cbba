/** Runs a study at smoke scale and checks what holds for every study. */
import { readFile } from "node:fs/promises";
import { expect, type TestContext } from "vitest";
import { catalogue, studies } from "../../src/papers/index.ts";
import { runStudy, SkippedError, type StudyResult } from "../../src/report/index.ts";

/**
 * Runs the study of this slug into the folder `out`, and expects the facts of the catalogue, a verdict for each claim and
 * a report. Skips the test where the study's data is missing; rejects where the study fails.
 */
export async function runsAtSmokeScale(slug: string, out: string, { skip }: TestContext): Promise<StudyResult> {
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
  return result;
}
