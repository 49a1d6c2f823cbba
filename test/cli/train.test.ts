import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fourward } from "./process.ts";

const folder = mkdtempSync(join(tmpdir(), "fourward-train-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
writeFileSync(path("text.txt"), "the whale swims, the ship sails, and the captain looks on.\n".repeat(300));
const flags =
  `--corpus ${path("text.txt")} --vocabulary 280 --width 16 --heads 2 --depth 1 --context 16 --batch 4`.split(" ");
const train = (out: string, ...more: string[]) =>
  fourward(["train", ...flags, "--steps", "60", "--out", path(out), ...more], "real");

describe("fourward train", { timeout: 60_000 }, () => {
  it("trains a model that can be scored and goes on with text; killed and run again it ends with the same bytes", async () => {
    const whole = await train("whole", "--json");
    expect(whole.code, whole.stderr).toBe(0);
    expect(JSON.parse(whole.stdout)).toMatchObject({ step: 60, stopped: false });
    expect(whole.stderr).toMatch(/parameters, vocabulary 280; [\d,]+ tokens to train on/);
    expect(whole.stderr).toMatch(/step 60: validation loss .* perplexity .* the best so far/);

    const killed = train("killed");
    await killed.printed("to validate");
    setTimeout(() => killed.child.kill("SIGKILL"), 300);
    await killed;
    const resumed = await train("killed");
    expect(resumed.code, resumed.stderr).toBe(0);
    for (const file of ["model.safetensors", "training/checkpoint.safetensors"])
      expect(readFileSync(path(`killed/${file}`)).equals(readFileSync(path(`whole/${file}`))), file).toBe(true);

    const score = await fourward(["eval", path("whole"), "--text", path("text.txt"), "--json"], "real");
    expect(score.code, score.stderr).toBe(0);
    const best = (JSON.parse(whole.stdout) as { best: { perplexity: number } }).best;
    expect((JSON.parse(score.stdout) as { perplexity: number }).perplexity).toBeCloseTo(best.perplexity, 3);

    const args = ["generate", path("whole"), "--prompt", "the whale", "--tokens", "5", "--temperature", "0"];
    const spoken = await fourward(args, "real");
    expect(spoken.stdout).toMatch(/^the whale./);
    expect((await fourward(args, "real")).stdout).toBe(spoken.stdout);
  });

  it("stops on Ctrl-C and says how to go on", async () => {
    const running = train("stopped", "--steps", "100000");
    await running.printed("to validate");
    await new Promise((done) => setTimeout(done, 1500));
    running.child.kill("SIGINT");
    const { code, stderr } = await running;
    expect(code).toBe(130);
    expect(stderr).toMatch(/stopped at step \d+; this continues it: .* train .*--steps 100000/);
  });

  it("says with --profile where the time went, in tables and on a page", async () => {
    // Wide enough that products are among what takes longest, whatever else the machine does.
    const ended = await train("profiled", "--width", "128", "--profile", "--quiet");
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toMatch(/runs of graphs/);
    expect(ended.stderr).toMatch(/^matmul +\d/m);
    expect(ended.stderr).toMatch(/src\/nn\/linear\.ts:\d+/);
    expect(readFileSync(path("profiled/profile.html"), "utf8")).toContain("applyStack");
    expect(JSON.parse(readFileSync(path("profiled/profile.json"), "utf8"))).toMatchObject({ runs: expect.any(Number) });
  });

  it("finds the width that has the parameters asked for", async () => {
    const wide = flags.filter((flag, i) => flag !== "--width" && flags[i - 1] !== "--width");
    const ended = await fourward(
      ["train", ...wide, "--parameters", "21500", "--steps", "2", "--out", path("budget"), "--json"],
      "real",
    );
    expect(ended.code, ended.stderr).toBe(0);
    const parameters = Number(/([\d,]+) parameters/.exec(ended.stderr)?.[1]?.replaceAll(",", ""));
    expect(Math.abs(parameters / 21_500 - 1)).toBeLessThan(0.05);
  });

  it("leaves no folder behind when a run cannot begin", async () => {
    writeFileSync(path("short.txt"), "the whale swims.\n".repeat(12));
    const ended = await fourward(["train", "--corpus", path("short.txt"), "--out", path("never")], "real");
    expect(ended.code).toBe(1);
    expect(existsSync(path("never"))).toBe(false);
  });

  it("fails in one sentence", async () => {
    const fails = async (args: string[], message: string | RegExp, code = 1) => {
      const ended = await fourward(args, "real");
      expect({ code: ended.code, lines: ended.stderr.trimEnd().split("\n").length }).toEqual({ code, lines: 1 });
      expect(ended.stderr).toMatch(message);
    };
    const out = ["--out", path("failed")];
    await fails(["train", ...flags, ...out, "--ffn", "wide"], /unknown FFN "wide"; known are dense/);
    await fails(["train", "--config", path("none.json"), ...out], /none\.json/);
    await fails(["train", "--rate", "fast"], /Expected a number/, 2);
    await fails(["eval", path("nowhere")], /nowhere/);
    writeFileSync(path("config.json"), "{}");
    await fails(["train", "--config", path("config.json"), "--width", "8", ...out], /config\.json: /);
    await fails(
      ["train", "--parameters", "100", ...out],
      /no width meets the budget of 100: the smallest, 8, already costs/,
    );
    await fails(["train", "--parameters", "9000", "--heads", "64", ...out], /no width meets the budget of 9000/);
    await fails(["train", "--parameters", "9000", "--width", "64", ...out], /cannot be used with/, 2);
  });
});
