import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type Ended, fourward } from "./process.ts";

const folder = mkdtempSync(join(tmpdir(), "generate-"));
afterAll(() => rmSync(folder, { recursive: true }));
const model = "fourward-4m";
const greedy = ["--tokens", "6", "--temperature", "0", "--quiet"];
const ok = async (args: readonly string[], input?: string): Promise<Ended> => {
  const running = fourward(["generate", model, ...args], "real");
  running.child.stdin.end(input);
  const ended = await running;
  expect(ended.code, ended.stderr).toBe(0);
  return ended;
};

it("goes on with several prompts, from the command line, standard input and files, as with each alone", async () => {
  writeFileSync(join(folder, "prompts.txt"), "Call me\n\nThe whale\n");
  writeFileSync(join(folder, "prompts.json"), JSON.stringify(["The whale\nsaid"]));
  const alone = await Promise.all(
    ["My fellow", "Call me", "The whale"].map(async (prompt) => (await ok(["--prompt", prompt, ...greedy])).stdout),
  );
  const file = ["--prompts", join(folder, "prompts.txt")];
  const { stdout } = await ok(["--prompt", "-", ...file, ...greedy], "My fellow\n");
  expect(stdout).toBe(alone.join("\n"));
  const { texts } = JSON.parse(
    (await ok(["--prompt", "My fellow", "--prompts", join(folder, "prompts.json"), "--json", ...greedy])).stdout,
  ) as { texts: { prompt: string; text: string; tokens: number; reason: string }[] };
  expect(texts.map(({ prompt }) => prompt)).toEqual(["My fellow", "The whale\nsaid"]);
  expect(texts[0]).toMatchObject({ text: alone[0]?.slice("My fellow".length, -1), tokens: 6, reason: "length" });
}, 180_000);

it("ends on Ctrl-C with what has been said", async () => {
  const many = Array.from({ length: 200 }, () => "The").join("\n");
  writeFileSync(join(folder, "many.txt"), many);
  const several = fourward(["generate", model, "--prompts", join(folder, "many.txt"), "--tokens", "250"], "real");
  await several.printed("texts/s");
  several.child.kill("SIGINT");
  expect((await several).code).toBe(130);
  expect((await several).stdout).toMatch(/^The\S* /);
}, 180_000);

it("says what is wrong with a file of prompts", async () => {
  writeFileSync(join(folder, "wrong.json"), "{}");
  const wrong = await fourward(["generate", model, "--prompts", join(folder, "wrong.json")], "real");
  expect(wrong.stderr).toMatch(/^fourward: read .*wrong.json: expected a list of texts in JSON\n$/);
  const missing = await fourward(["generate", model, "--prompts", join(folder, "none.txt")], "real");
  expect([missing.code, wrong.code]).toEqual([1, 1]);
  expect(missing.stderr).toContain("none.txt");
}, 60_000);
