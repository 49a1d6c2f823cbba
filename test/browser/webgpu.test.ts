/** Graphs on WebGPU in Chromium, with its software driver, and where there is none. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPages, launch, noChromium, type Site, serve } from "./chromium.ts";

declare function carry(): Promise<{ sums: number[]; refused: string; captured: number[]; whole: number[] }>;
declare function losses(device: "cpu" | "webgpu"): Promise<readonly number[]>;
declare function withoutGpu(): Promise<string | undefined>;

if (noChromium) console.log(`test/browser: skipped: ${noChromium}`);

const SOFTWARE = [
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--use-vulkan=swiftshader",
  "--use-webgpu-adapter=swiftshader",
];

describe.skipIf(noChromium)("WebGPU in Chromium", { timeout: 300_000 }, () => {
  let folder = "";
  let site: Site;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "fourward-pages-"));
    await buildPages(["webgpu"], folder);
    site = await serve({ "/": folder }, { isolated: true });
  }, 300_000);
  afterAll(async () => {
    await site?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function inPage(args: readonly string[], left: readonly string[], work: (page: Page) => Promise<void>) {
    const browser = await launch({ args: [...args], ignoreDefaultArgs: [...left] });
    try {
      const page = await browser.newPage();
      await page.goto(`${site.address}/webgpu.html`);
      await work(page);
    } finally {
      await browser.close();
    }
  }

  it("keeps a state on the device between calls, and trains as the CPU does", (test) =>
    inPage(SOFTWARE, ["--disable-gpu"], async (page) => {
      const missing = await page.evaluate(() => withoutGpu());
      if (missing !== undefined) {
        console.log(`test/browser: WebGPU is skipped: ${missing}`);
        test.skip();
      }
      const { sums, refused, captured, whole } = await page.evaluate(() => carry());
      expect(sums).toEqual([6, 12, 24]);
      expect(refused).toContain("are on the device; get them with await evaluate(x)");
      expect(captured).toEqual([9, 17, 25]);
      expect(whole).toEqual([8, 16, 24]);
      const [there, here] = await page.evaluate(async () => [await losses("webgpu"), await losses("cpu")] as const);
      expect(there).toHaveLength(6);
      there.forEach((loss, i) => {
        expect(loss).toBeCloseTo(here[i] as number, 4);
      });
    }));

  it("says in one sentence where there is no device", () =>
    inPage(["--disable-gpu"], [], async (page) => {
      expect(await page.evaluate(() => withoutGpu())).toBe(
        'device: "webgpu" is not there: this browser has no WebGPU or no adapter for it; use cpu',
      );
    }));
});
