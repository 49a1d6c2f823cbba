/** A studio with its pages, a mail server and a browser, for tests that use it as visitors do. */
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { build } from "vite";
import { evaluate, key } from "../../src/array/index.ts";
import { type MailSettings, scheduleDigests, sendDue } from "../../src/feed/digest/index.ts";
import { embeddingOf, type Feed, openFeed, syncCatalogue, writeFound } from "../../src/feed/index.ts";
import { decoder, loadTokenizer, savePretrained, trainTokenizer } from "../../src/models/index.ts";
import { type Library, library } from "../../src/papers/index.ts";
import { type RunningStudio, startStudio } from "../../src/studio/server.ts";
import { launch } from "../browser/chromium.ts";
import { type MailServer, mailServer } from "../feed/digest/smtp.ts";

/** The paper that is run: its smoke study takes the least time. */
export const RUN = "flat-sky-spectra";

/** A paper that trains, quickly at smoke scale. */
export const TRAINS = "fft-net";

/** The model that stands beside the embedded one. */
export const TINY = "tiny";

/** A paper from outside whose texts try to be more than text. */
export const HOSTILE = {
  title: "Neural operators <script>window.hacked = 1</script>",
  abstract: 'About <img src="x" onerror="window.hacked = 1"> and </script><script>window.hacked = 1</script>.',
};

/** All papers, but only a few studies: claims of all would have to be loaded otherwise. */
const few: Library = {
  catalogue: library.catalogue,
  studies: Object.fromEntries(
    Object.entries(library.studies).filter(([slug]) => [RUN, TRAINS, "spright"].includes(slug)),
  ),
};

export interface TestSite extends AsyncDisposable {
  readonly studio: RunningStudio;
  readonly feed: Feed;
  readonly mail: MailServer;
  readonly browser: Browser;
  /** Writes and sends the digests that are due at a time. */
  sendDigests(now: Date): Promise<void>;
  /** Sends the letters that wait. */
  sendLetters(): Promise<void>;
}

/** A model of a few thousand numbers in a folder, as whoever runs a server may allow one. */
async function writeTinyModel(folder: string): Promise<void> {
  const tokenizer = await loadTokenizer(trainTokenizer([HOSTILE.abstract.repeat(20)], { vocabulary: 270 }));
  const model = decoder({
    ...{ vocabulary: tokenizer.vocabularySize, context: 16, width: 16, positions: "learned" },
    blocks: [0, 1].map(() => [
      { mixer: { kind: "attention", heads: 2 } },
      { ffn: { kind: "dense", hidden: 32, activation: "relu" } },
    ]),
  });
  await savePretrained(folder, { model, params: await evaluate(model.init(key(1))), tokenizer });
}

/** Builds the pages into a folder of their own and serves them. */
export async function openTestSite(): Promise<TestSite> {
  const folder = await mkdtemp(join(tmpdir(), "fourward-studio-"));
  const configFile = fileURLToPath(new URL("../../studio/vite.config.ts", import.meta.url));
  const client = { configFile, logLevel: "error" as const };
  await build({ ...client, build: { outDir: join(folder, "site", "client") } });
  await build({ ...client, build: { ssr: true, outDir: join(folder, "site", "server") } });
  const feed = await openFeed({ folder: join(folder, "feed"), url: null });
  await syncCatalogue(feed.db, few);
  const found = {
    arxiv: "2611.00001",
    authors: ["<b>Nobody</b>"],
    topics: ["operator"],
    appearedAt: new Date("2001-02-03"),
  };
  await writeFound(feed.db, [{ ...found, ...HOSTILE }], "arxiv", { embedding: embeddingOf(few), now: new Date() });
  await writeTinyModel(join(folder, TINY));
  const mail = await mailServer();
  const studio = await startStudio({
    ...{ feed, library: few, host: "127.0.0.1", port: 0, mailDomain: "example.org" },
    models: { [TINY]: join(folder, TINY) },
    ...{ runsFolder: join(folder, "runs"), siteFolder: join(folder, "site") },
  });
  const settings: MailSettings = { smtp: mail.url, from: "Fourward <digest@example.org>", base: studio.url };
  const browser = await launch();
  return {
    ...{ studio, feed, mail, browser },
    async sendDigests(now) {
      await scheduleDigests(feed.db, { now, domain: "example.org" });
      await sendDue(feed.db, { mail: settings, now: () => now });
    },
    async sendLetters() {
      await sendDue(feed.db, { mail: settings });
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await studio.close({ graceSeconds: 1 });
      await mail[Symbol.asyncDispose]();
      await feed.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A page whose problems are kept: what the console calls an error, and what was thrown. */
export async function newPage(context: BrowserContext): Promise<{ page: Page; problems: string[] }> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.setDefaultTimeout(60_000);
  return { page, problems };
}

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

interface Axe {
  run(): Promise<{ violations: readonly { id: string; impact: string; nodes: readonly { html: string }[] }[] }>;
}

/** What axe-core finds on a page that is serious or worse. */
export async function seriousViolations(page: Page): Promise<readonly string[]> {
  // The page's policy lets no script in but its own: this one comes by the browser's own interface.
  const { readFile } = await import("node:fs/promises");
  await page.evaluate(await readFile(axePath, "utf8"));
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/** Keeps a picture for the documentation, where `FOURWARD_SCREENSHOTS` asks for it. */
export async function picture(page: Page, name: string): Promise<void> {
  if (!process.env.FOURWARD_SCREENSHOTS) return;
  const path = fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url));
  await page.screenshot({ path });
}
