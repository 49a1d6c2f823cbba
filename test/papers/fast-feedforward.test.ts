import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { flatten, key } from "../../src/array/index.ts";
import { available } from "../../src/data/index.ts";
import { fastFeedForward, ffn, parameterCount, sharedExpert } from "../../src/nn/index.ts";
import study from "../../src/papers/fast-feedforward.ts";
import { runStudy, type StudyResult } from "../../src/report/index.ts";
import { runsAtSmokeScale } from "./smoke.ts";

describe("the published parameter counts", () => {
  // Leaf width, depth, parameters in all, parameters read for one image.
  it.each([
    [8, 1, 13_525, 7_155],
    [4, 2, 15_115, 4_760],
    [2, 3, 18_295, 3_955],
    [1, 4, 24_655, 3_945],
    [8, 4, 113_695, 9_510],
    [4, 5, 126_415, 7_115],
    [2, 6, 151_855, 6_310],
    [1, 7, 202_735, 6_300],
  ])("leaf width %i, depth %i has %i and reads %i", (leafWidth, depth, all, read) => {
    const tree = fastFeedForward({ width: 784, outputs: 10, depth, leafWidth });
    const params = tree.init(key(0));
    expect(parameterCount(params)).toBe(all);
    expect(tree.parameterCount).toBe(all);
    // One node a level, and one leaf of each stack.
    const leaf = flatten(params.leaves).leaves.reduce(
      (total, { size, shape }) => total + size / (shape[0] as number),
      0,
    );
    const node = (params.nodes.weight.size + params.nodes.bias.size) / (2 ** depth - 1);
    expect(depth * node + leaf).toBe(read);
    expect(tree.usedParameterCount).toBe(read);
    const master = ffn({ width: 784, hidden: 8, outputs: 10 });
    expect(parameterCount(master.init(key(0)))).toBe(6_370);
    expect(parameterCount(sharedExpert({ routed: tree, shared: master }).init(key(0)))).toBe(all + 6_371);
  });
});

describe("the study", () => {
  let out = "";
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), "fast-feedforward-"));
  });
  afterAll(() => rm(out, { recursive: true, force: true }));

  /** What does not depend on how fast the machine is. */
  const kept = ({ measurements: { oneRow: _, manyRows: __, ...rest } }: StudyResult) => rest;
  let uninterrupted: StudyResult | undefined;

  it("runs at smoke scale: the mechanism works and its invariants hold", async (context) => {
    const result = await runsAtSmokeScale("fast-feedforward", join(out, "whole"), context);
    uninterrupted = result;
    const measured = Object.fromEntries(result.claims.map(({ id, measured }) => [id, measured]));
    expect(measured.counts).toBe(32);
    expect(measured.conditional).toBe(100);
    // Far from what chance gives, and both additions help where nothing else differs.
    expect(measured.dense).toBeGreaterThan(80);
    expect(measured.both).toBeGreaterThan(60);
    expect(measured.testGain).toBeGreaterThan(0);
    expect(measured.usage).toBeGreaterThan(0);
    const page = await readFile(join(out, "whole", "fast-feedforward-smoke", "report.html"), "utf8");
    expect(page).toContain("accuracy against inference cost");
    expect(page).toContain("Time of inference against depth");
  }, 120_000);

  it("continues where it was stopped and ends the same", async (context) => {
    const found = available("mnist", "train");
    if (!found.ok) context.skip(found.reason);
    const run = (signal?: AbortSignal, onProgress?: (stage: string) => void) =>
      runStudy(study, {
        scale: "smoke",
        device: "cpu",
        out: join(out, "stopped"),
        command: "test",
        ...(signal ? { signal } : {}),
        ...(onProgress ? { onProgress: ({ stage }) => onProgress(stage) } : {}),
      });
    const stop = new AbortController();
    const stages: string[] = [];
    const stopped = run(stop.signal, (stage) => {
      stages.push(stage);
      if (stage.includes("training")) stop.abort();
    });
    await expect(stopped).rejects.toThrow(/stopped|abort/i);
    const later: string[] = [];
    const whole = await run(undefined, (stage) => later.push(stage));
    // The search was kept, so each of its stages is passed by at once.
    const ofSearch = (list: readonly string[]) => list.filter((stage) => stage.includes("trying")).length;
    expect(ofSearch(later)).toBeLessThan(ofSearch(stages));
    const again = await run();
    expect(kept(whole)).toEqual(kept(again));
    // Alone, this test has nothing else to compare with.
    if (uninterrupted) expect(kept(whole)).toEqual(kept(uninterrupted));
  }, 240_000);
});
