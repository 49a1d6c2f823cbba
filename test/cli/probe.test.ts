import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate, key } from "../../src/array/index.ts";
import { decoder, loadTokenizer, readSafetensors, savePretrained, trainTokenizer } from "../../src/models/index.ts";
import { fourward } from "./process.ts";

const folder = mkdtempSync(join(tmpdir(), "fourward-probe-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
const text = "the whale swims, the ship sails, and the captain looks on.\n".repeat(60);
writeFileSync(path("text.txt"), text);

beforeAll(async () => {
  const tokenizer = await loadTokenizer(trainTokenizer([text], { vocabulary: 280 }));
  for (const activation of ["relu", "gelu"] as const) {
    const model = decoder({
      ...{ vocabulary: tokenizer.vocabularySize, context: 16, width: 16, positions: "learned" },
      blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32, activation } }]],
    });
    await savePretrained(path(activation), { model, params: await evaluate(model.init(key(1))), tokenizer });
  }
});
const probe = (...args: string[]) =>
  fourward(["probe", ...args, "--text", path("text.txt"), "--tokens", "256"], "real");

describe("fourward probe", { timeout: 120_000 }, () => {
  it("prints what it found and writes a page, data, and numbers of each unit", async () => {
    const ended = await probe(path("relu"), "--probes", "neurons,vocabulary", "--out", path("found"), "--json");
    expect(ended.code, ended.stderr).toBe(0);
    const result = JSON.parse(ended.stdout);
    expect(result).toMatchObject({ part: "all", tokens: 256, skipped: [] });
    expect(result.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(result.probes.neurons.found[0]).toMatchObject({ layer: "blocks.0.ffn", units: 32, tokens: 256 });
    expect(result.probes.vocabulary.options).toMatchObject({ top: 20 });
    expect(JSON.parse(readFileSync(path("found/report.json"), "utf8"))).toEqual(result);
    const page = readFileSync(path("found/report.html"), "utf8");
    for (const part of ["<h2>Neurons</h2>", "Units by layer", "Where predictions settle", "<svg", result.hash])
      expect(page).toContain(part);
    const arrays = await readSafetensors(path("found/neurons.safetensors"));
    expect(arrays.metadata).toMatchObject({ probe: "neurons", hash: result.hash, tokens: "256" });
    const counted = await arrays.read("blocks.0.ffn.activations");
    expect(counted.shape).toEqual([32]);
    const dead = Array.from(counted.data as Float64Array).flatMap((count, unit) => (count === 0 ? [unit] : []));
    expect(result.probes.neurons.found[0].dead).toEqual(dead);
  });

  it("leaves out a probe that does not apply, unless it was asked for by name", async () => {
    const asked = await probe(path("gelu"), "--probes", "neurons", "--out", path("never"));
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain("never exactly off (kind dense, gelu); give a threshold");
    const given = ["--probes", "neurons", "--set", "neurons.threshold=0.1", "neurons.ngrams=1"];
    const withThreshold = await probe(path("gelu"), ...given, "--out", path("set"));
    expect(withThreshold.code, withThreshold.stderr).toBe(0);
    expect(withThreshold.stdout).toMatch(/Neurons: units by layer\n[\s\S]*report {2}.*report\.html/);
  });

  it.each([
    [["--probes", "brains"], 'unknown probe "brains"; known are neurons, vocabulary'],
    [["--set", "neurons=3"], "--set expects probe.option=value"],
    [["--set", "neurons.size=3"], "probe neurons: "],
    [["--layers", "1"], "there is no layer 1; the model has layers 0 to 0"],
  ])("%j is refused in one sentence", async (args, said) => {
    const ended = await probe(path("relu"), ...args, "--out", path("refused"));
    expect(ended.code).toBe(1);
    expect(ended.stderr.trim().split("\n").at(-1)).toContain(said);
  });
});
