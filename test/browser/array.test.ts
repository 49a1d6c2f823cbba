/** The tests of the array language in Chromium, from a production build. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPages, launch, noChromium, type Site, serve } from "./chromium.ts";
import type { Outcome } from "./pages/vitest.ts";

declare function runArrayTests(wanted?: readonly string[]): Promise<Outcome[]>;

if (noChromium) console.log(`test/browser: skipped: ${noChromium}`);

describe.skipIf(noChromium)("the array language in Chromium", { timeout: 600_000 }, () => {
  let folder = "";
  let browser: Browser;
  const sites: Site[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "fourward-pages-"));
    await buildPages(["array"], folder);
    browser = await launch();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    for (const site of sites) await site.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function testsIn(isolated: boolean, wanted?: readonly string[]): Promise<Outcome[]> {
    const site = await serve({ "/": folder }, { isolated });
    sites.push(site);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`${site.address}/array.html`);
    expect(await page.evaluate(() => globalThis.crossOriginIsolated)).toBe(isolated);
    const outcomes = await page.evaluate((files) => runArrayTests(files), wanted);
    await page.close();
    expect(errors).toEqual([]);
    return outcomes;
  }

  const failed = (outcomes: readonly Outcome[]) => outcomes.filter(({ state }) => state !== "pass");

  it("passes with threads", async () => {
    const outcomes = await testsIn(true);
    expect(failed(outcomes)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(100);
  });

  it("passes without isolation, in one thread", async () => {
    const outcomes = await testsIn(false, ["compile", "control"]);
    expect(failed(outcomes)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(20);
  });
});
