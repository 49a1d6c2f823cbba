/** What the README promises: its table is current, and its examples run. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { withTable } from "../scripts/readme.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(join(root, "README.md"), "utf8");
const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string);

describe("README", () => {
  it("has the table of papers that the code gives", () => {
    expect(withTable(readme)).toBe(readme);
  });

  it.each(examples.map((code, i) => [i + 1, code] as const))(
    "example %i runs",
    { timeout: 120_000 },
    async (_, code) => {
      // Inside the checkout, where its dependencies are found; package paths are those of the source.
      const folder = await mkdtemp(join(root, ".cache-readme-"));
      try {
        const file = join(folder, "example.ts");
        await writeFile(
          file,
          code.replace(/"fourward\/(\w+)"/g, (_all, room) => JSON.stringify(join(root, "src", room, "index.ts"))),
        );
        const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", file], { cwd: folder });
        const loss = Number(/loss (\S+)/.exec(stdout)?.[1]);
        expect(loss).toBeGreaterThan(0);
        expect(loss).toBeLessThan(1);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
