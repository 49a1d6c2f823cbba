/** A page that trains a small network: what it weighs, and that it learns. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildPages, launch, noChromium, serve } from "./chromium.ts";

declare function train(steps: number): Promise<readonly number[]>;

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fourward-pages-"));
  await buildPages(["training"], folder);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const scripts = () =>
  readdirSync(join(folder, "assets"))
    .filter((name) => name.endsWith(".js"))
    .map((name) => ({ name, text: readFileSync(join(folder, "assets", name), "utf8") }));

it("weighs less than 150 kB packed, the runtime's script counted and its WebAssembly not", () => {
  // The runtime for WebGPU is loaded in place of the other, not beside it.
  const loaded = scripts().filter(({ name }) => !name.startsWith("ort.webgpu"));
  expect(loaded.some(({ name }) => name.startsWith("ort.wasm"))).toBe(true);
  const bytes = loaded.reduce((total, { text }) => total + gzipSync(text).length, 0);
  console.log(`a page that trains: ${(bytes / 1000).toFixed(1)} kB packed`);
  expect(bytes).toBeLessThan(150_000);
});

it("has nothing of Node", () => {
  const modules = builtinModules.flatMap((name) => [`"node:${name}"`, `\`node:${name}\``, `from"${name}"`]);
  for (const { name, text } of scripts().filter(({ name }) => !name.startsWith("ort."))) {
    expect(modules.filter((module) => text.includes(module))).toEqual([]);
    expect(text, name).not.toContain("__vite-browser-external");
  }
});

if (noChromium) console.log(`test/browser: skipped: ${noChromium}`);

it.skipIf(noChromium)("learns", { timeout: 300_000 }, async () => {
  const site = await serve({ "/": folder }, { isolated: false });
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`${site.address}/training.html`);
    const losses = await page.evaluate(() => train(120));
    expect(losses).toHaveLength(120);
    expect(losses.at(-1)).toBeLessThan(0.2 * (losses[0] as number));
  } finally {
    await browser.close();
    await site.close();
  }
});
