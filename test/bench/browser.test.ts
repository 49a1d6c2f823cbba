/** `npm run bench -- browser` through its command, at sizes that only show that it works. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { noChromium } from "../browser/chromium.ts";

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

if (noChromium) console.log(`test/bench: the command of the group browser is skipped: ${noChromium}`);

it.skipIf(noChromium)(
  "ends, with a report of the wanted peers, and leaves nothing behind",
  { timeout: 300_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "fourward-bench-test-"));
    try {
      const args = ["browser", "--tiny", "--rounds", "1", "--threads", "1", "--peers", "fourward"];
      const printed = await new Promise<string>((resolve, reject) => {
        execFile(
          process.execPath,
          ["--import", "tsx", main, ...args, "--jobs", "small-mlp", "--out", join(folder, "out")],
          { env: { ...process.env, TMPDIR: folder } },
          (error, out, complaints) => (error ? reject(new Error(complaints)) : resolve(out)),
        );
      });
      expect(printed).toContain("Fourward in Chromium, as fit runs it");
      const { jobs, skipped } = JSON.parse(readFileSync(join(folder, "out/browser.json"), "utf8"));
      expect(skipped).toEqual([]);
      expect(jobs[0].failures).toEqual([]);
      expect(jobs[0].results.map(({ peer, entrant }: Record<string, string>) => `${peer} ${entrant}`)).toEqual([
        "fourward fit",
        "fourward step",
        "node fit",
        "node step",
      ]);
      expect(readdirSync(folder).filter((name) => name.startsWith("fourward-bench"))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
