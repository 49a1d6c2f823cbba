/** The studio as its visitors use it, in a real browser. */
import { gzipSync } from "node:zlib";
import type { Response } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium } from "../browser/chromium.ts";
import { plain } from "../feed/digest/smtp.ts";
import {
  HOSTILE,
  newPage,
  openTestSite,
  picture,
  RUN,
  seriousViolations,
  type TestSite,
  TINY,
  TRAINS,
} from "./site.ts";

/** Half an hour after the digest is due, so many days after the next one. */
function halfPastEight(days: number): Date {
  const time = new Date();
  time.setUTCHours(8, 30, 0, 0);
  const isOver = time.getTime() < Date.now();
  return new Date(time.getTime() + (days + (isOver ? 1 : 0)) * 24 * 3600_000);
}

if (noChromium) console.warn(`studio in a browser: ${noChromium}`);

describe.skipIf(noChromium !== undefined)("the studio in a browser", { timeout: 300_000 }, () => {
  let site: TestSite;
  let url = "";
  beforeAll(async () => {
    site = await openTestSite();
    url = site.studio.url.replace(/\/$/, "");
  }, 300_000);
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 60_000);

  it("finds papers while one types, and the address follows", async () => {
    const context = await site.browser.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, problems } = await newPage(context);
    await page.goto(url);
    await picture(page, "home");
    await page.getByRole("searchbox").fill("sparse walsh hadamard");
    await page.getByRole("heading", { name: /Found for/ }).waitFor();
    await expect.poll(() => page.locator("article h3").first().textContent()).toContain("SPRIGHT");
    expect(new URL(page.url()).searchParams.get("q")).toBe("sparse walsh hadamard");
    await page.locator("article h3 a").first().click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(page.url()).toBe(`${url}/papers/spright`);
    expect(problems).toEqual([]);
    await context.close();
  });

  it("loads less than 200 kB, gzipped, and from here only", async () => {
    const context = await site.browser.newContext();
    const { page } = await newPage(context);
    const responses: Response[] = [];
    page.on("response", (response) => responses.push(response));
    await page.goto(`${url}/papers/spright`, { waitUntil: "networkidle" });
    let total = 0;
    for (const response of responses)
      if (response.request().method() === "GET") total += gzipSync(await response.body()).length;
    console.info(`a page of a paper with all it loads: ${(total / 1000).toFixed(1)} kB gzipped`);
    expect(total).toBeGreaterThan(100_000);
    expect(total).toBeLessThan(200_000);
    expect(responses.map((response) => response.url()).filter((address) => !address.startsWith(url))).toEqual([]);
    await context.close();
  });

  it("reads without JavaScript: search, filters, a paper with its drawing and claims", async () => {
    const context = await site.browser.newContext({ javaScriptEnabled: false });
    const { page } = await newPage(context);
    await page.goto(url);
    await page.locator("input[name=q]").fill("walsh hadamard");
    await page.locator("input[name=runs]").check();
    await page.getByRole("button", { name: "Search" }).click();
    expect(new URL(page.url()).searchParams.get("runs")).toBe("true");
    await page.locator("article h3 a").first().click();
    expect(await page.locator("h1").textContent()).toContain("SPRIGHT");
    expect(await page.locator("svg[role=img] rect").count()).toBeGreaterThan(10);
    expect(await page.getByText("samples asked for at N = 2^18").count()).toBe(1);
    expect(await page.getByRole("button", { name: /Run at scale/ }).isVisible()).toBe(false);
    await context.close();
  });

  it("shows texts from outside as text", async () => {
    const context = await site.browser.newContext();
    const { page, problems } = await newPage(context);
    await page.goto(`${url}/papers/arxiv-2611.00001`);
    expect(await page.locator("h1").textContent()).toBe(HOSTILE.title);
    await page.locator("details summary").click();
    expect(await page.locator("details p").textContent()).toContain('<img src="x"');
    expect(await page.locator("main img").count()).toBe(0);
    expect(await page.evaluate(() => "hacked" in globalThis)).toBe(false);
    expect(problems).toEqual([]);
    await context.close();
  });

  it("runs a study here to its verdicts, which stay on the page", async () => {
    const context = await site.browser.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, problems } = await newPage(context);
    await page.goto(`${url}/papers/${RUN}`);
    await picture(page, "paper");
    await page.getByRole("button", { name: "Run at scale smoke" }).click();
    await page.getByRole("progressbar", { name: "Progress" }).waitFor();
    await page.getByRole("link", { name: "Open the report" }).waitFor({ timeout: 240_000 });
    const claims = await page.locator(".run .verdict").count();
    expect(claims).toBeGreaterThan(5);
    await picture(page, "run");
    const report = await page.getByRole("link", { name: "Open the report" }).getAttribute("href");
    const reply = await page.request.get(`${url}${report}`);
    expect(await reply.text()).toContain("Claims beside measurements");
    await page.reload();
    await page.getByText("Measured at scale").waitFor();
    expect(await page.locator("#claims ~ ol .verdict, section:has(> #claims) .verdict").count()).toBe(claims);
    expect(problems).toEqual([]);
    await context.close();
  });

  it("runs a study in the browser to its verdicts", async () => {
    const context = await site.browser.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, problems } = await newPage(context);
    await page.goto(`${url}/papers/${RUN}`);
    await page.getByRole("button", { name: "Run in this browser" }).click();
    await page.getByRole("link", { name: "Save the report" }).waitFor({ timeout: 280_000 });
    expect(await page.locator(".run .verdict").count()).toBeGreaterThan(5);
    await picture(page, "browser-run");
    expect(problems).toEqual([]);
    await context.close();
  });

  it.each([
    ["here", "Run at scale smoke", "Open the report"],
    ["in the browser", "Run in this browser", "Save the report"],
  ])("draws losses while a study trains %s, and keeps them", async (_, start, end) => {
    const context = await site.browser.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, problems } = await newPage(context);
    await page.goto(`${url}/papers/${TRAINS}`);
    // However fast the study is, what was on the page at once is noted.
    await page.evaluate(() => {
      const look = () => {
        const [bar, curve] = [document.querySelector("progress"), document.querySelector("figure[aria-label^=Loss]")];
        if (bar && curve) document.body.dataset.seen = "both";
      };
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    });
    await page.getByRole("button", { name: start }).click();
    const curves = page.getByRole("figure", { name: "Loss while training" });
    await curves.waitFor({ timeout: 240_000 });
    const lines = () => curves.locator("path[d*='L']").count();
    expect(await lines()).toBeGreaterThan(0);
    expect(await curves.getByRole("listitem").first().textContent()).toMatch(/at step \d+:\s+\d/);
    expect(await curves.getByRole("status").textContent()).toMatch(/, step \d+: loss \d/);
    await page.getByRole("link", { name: end }).waitFor({ timeout: 280_000 });
    // A line for each network, with a look of its own.
    const looks = await curves
      .locator("svg[role=img] g[class^=s]")
      .evaluateAll((groups) =>
        groups.map(
          (group) => `${group.getAttribute("class")} ${group.querySelector("path")?.getAttribute("stroke-dasharray")}`,
        ),
      );
    expect(looks.length).toBe(await curves.getByRole("listitem").count());
    expect(new Set(looks).size).toBe(looks.length);
    expect(await lines()).toBe(looks.length);
    // Also where a chart is wider than the screen and scrolls.
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 740 });
      expect([width, await seriousViolations(page)]).toEqual([width, []]);
      expect([width, await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)]).toEqual([width, 0]);
    }
    expect([await page.evaluate(() => document.body.dataset.seen), problems]).toEqual(["both", []]);
    await context.close();
  });

  it("looks into a model, and changes it", async () => {
    const context = await site.browser.newContext({ viewport: { width: 1280, height: 1000 } });
    const { page, problems } = await newPage(context);
    await page.goto(`${url}/models`);
    await page.getByRole("combobox", { name: /^Model/ }).selectOption(TINY);
    await expect.poll(() => page.locator("form dl").textContent()).toMatch(/layers\s*2\s*width\s*16\s*vocabulary/);
    const done = () => page.getByText(/^Done\s+in/).waitFor({ timeout: 240_000 });

    await page.getByRole("combobox", { name: /^Probe/ }).selectOption("Spectra");
    await page.getByRole("button", { name: "▶ Probe" }).click();
    await done();
    expect(await page.getByRole("heading", { level: 2 }).textContent()).toBe(`${TINY}: Spectra`);
    for (const title of ["Shares of the variance by component", "Utilization by depth"])
      expect(await page.getByRole("img", { name: title }).locator("path[d*='L'], circle").count()).toBeGreaterThan(1);
    expect(await page.locator("section figure table tbody tr").count()).toBeGreaterThan(1);
    expect(await seriousViolations(page)).toEqual([]);
    const report = await page.getByRole("link", { name: "Open the report" }).getAttribute("href");
    expect(await (await page.request.get(`${url}${report}`)).text()).toContain(`<h1>${TINY}</h1>`);

    // A value that is not allowed is refused in a sentence that names it.
    await page.getByRole("radio", { name: "convert" }).check();
    await page.getByRole("combobox", { name: /^Conversion/ }).selectOption("factor");
    await page.getByRole("spinbutton", { name: "experts" }).fill("0");
    await page.getByRole("button", { name: "▶ Convert" }).click();
    expect(await page.getByRole("alert").textContent()).toMatch(/settings: experts: /);

    await page.getByRole("spinbutton", { name: "experts" }).fill("4");
    await page.getByRole("spinbutton", { name: "steps" }).fill("6");
    await page.getByRole("button", { name: "▶ Convert" }).click();
    await page.getByRole("heading", { name: `${TINY}: factor` }).waitFor();
    await done();
    const figures = async (name: string) => {
      const cells = await page.getByRole("row", { name }).getByRole("cell").allTextContents();
      return cells.slice(0, 2).map((text) => Number(text.replaceAll(/[ ,\u202f]/g, "")));
    };
    const [before, after] = await figures("Perplexity");
    // It has learned nothing but its tokenizer's words: about as many tokens are likely as there are.
    expect(before).toBeGreaterThan(100);
    expect(after).toBeGreaterThan(100);
    const [whole, cut] = (await figures("Operations per token")) as [number, number];
    expect(cut).toBeLessThan(whole);
    expect(await page.locator("section table svg rect").count()).toBe(12);
    const curves = page.getByRole("figure", { name: "Loss while training" });
    expect(await curves.locator("path[d*='L']").count()).toBe(1);
    expect(await page.getByText(/fourward convert \S*tiny --with factor/).count()).toBe(1);
    expect(await seriousViolations(page)).toEqual([]);
    await page.evaluate(() => scrollTo(0, 0));
    await picture(page, "models");
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await seriousViolations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
    expect(problems.filter((text) => !/status of 400/.test(text))).toEqual([]);
    await context.close();
  });

  it("starts and cancels a run by keyboard alone, on a phone", async () => {
    const context = await site.browser.newContext({ viewport: { width: 360, height: 740 } });
    const { page } = await newPage(context);
    await page.goto(`${url}/papers/spright`);
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
    const tabTo = async (text: RegExp) => {
      for (let presses = 0; !text.test(await focused()); presses++) {
        if (presses > 80) throw new Error(`Tab does not reach ${text}`);
        await page.keyboard.press("Tab");
      }
    };
    // Without its session the page does not know yet that runs may be started.
    await page.locator("button:not([disabled])", { hasText: "Run at scale smoke" }).waitFor();
    await page.evaluate(() => document.querySelector<HTMLElement>("input[value=smoke]")?.focus());
    await page.keyboard.press("ArrowDown");
    await tabTo(/^▶ Run at scale small$/);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Cancel" }).waitFor();
    await tabTo(/^Cancel$/);
    expect(await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle)).not.toBe(
      "none",
    );
    await page.keyboard.press("Space");
    await page.getByText("Cancelled").waitFor();
    expect(await focused()).toBe("Cancelled");
    // And on from there, to the browser's own run.
    await tabTo(/^▶ Run in this browser$/);
    await context.close();
  });

  it("subscribes, confirms, gets the digest and ends it with one click", async () => {
    const context = await site.browser.newContext({ timezoneId: "UTC" });
    const { page, problems } = await newPage(context);
    await page.goto(url);
    await page.getByLabel("Email").fill("reader@example.com");
    await page.getByRole("button", { name: "Subscribe" }).click();
    await page.locator(".notice.ok").waitFor();
    await site.sendLetters();
    await expect.poll(() => site.mail.received.length).toBe(1);
    const confirm = /https?:\/\/\S+\/subscription\/confirm\?token=[\w-]+/.exec(plain(site.mail.received[0]?.raw ?? ""));
    await page.goto(confirm?.[0] ?? "about:blank");
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.locator(".notice.ok").waitFor();

    await site.sendDigests(halfPastEight(0));
    expect(site.mail.received.length).toBe(2);
    const digest = site.mail.received[1]?.raw ?? "";
    expect(digest).toContain("List-Unsubscribe-Post: List-Unsubscribe=One-Click");
    const oneClick = /https?:\/\/[^\s>]+\/subscription\/unsubscribe\?token=[\w-]+/.exec(plain(digest))?.[0] ?? "";
    const answer = await page.request.post(oneClick, { form: { "List-Unsubscribe": "One-Click" } });
    expect(answer.status()).toBe(200);
    await site.sendDigests(halfPastEight(1));
    expect(site.mail.received.length).toBe(2);
    expect(problems).toEqual([]);
    await context.close();
  });

  it.each(["light", "dark"] as const)("has no serious barrier in %s, and fits a phone", async (colorScheme) => {
    const context = await site.browser.newContext({ colorScheme, viewport: { width: 360, height: 740 } });
    const { page } = await newPage(context);
    for (const path of ["/", "/papers/spright", `/papers/${RUN}`, "/models", "/subscription", "/nowhere"]) {
      await page.goto(`${url}${path}`);
      await page.locator("html.js").waitFor();
      expect([path, await seriousViolations(page)]).toEqual([path, []]);
      expect([path, await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)]).toEqual([path, 0]);
      if (path === "/") await picture(page, `phone-${colorScheme}`);
    }
    await context.close();
  });

  it("is reachable by keyboard, and keeps the chosen theme", async () => {
    const context = await site.browser.newContext({ colorScheme: "light" });
    const { page } = await newPage(context);
    await page.goto(url);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content");
    const toggle = page.getByRole("button", { name: /^Theme/ });
    await toggle.click();
    await toggle.click();
    await page.reload();
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
    await context.close();
  });
});
