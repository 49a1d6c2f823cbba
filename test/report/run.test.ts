import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  exactly,
  paper,
  runFolder,
  runStudy,
  StoppedError,
  type StudyContext,
  spread,
} from "../../src/report/index.ts";
import { describeMachine } from "../../src/report/machine.ts";
import { openPieces } from "../../src/report/pieces.ts";
import { onSmallDisk } from "../data/small-disk.ts";

let out = "";
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "fourward-run-"));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const claims = {
  loss: { what: "loss", figure: 1, unit: "", direction: "atMost", where: "table 1" },
  count: { what: "parameters", figure: 10, unit: "", direction: "equals", where: "counted" },
} as const;

interface Run {
  readonly loss: number;
  readonly weights: Float32Array;
}

/** A study that trains nothing, over `train`, which says what a seed gives. */
const studyOf = (train: (seed: number, context: StudyContext) => Promise<Run>) =>
  paper({
    number: 20,
    slug: "sample",
    title: "A Sample",
    year: 2024,
    source: "Somebody et al., arXiv:2401.00000",
    abstract: "Shows.",
    seeds: { smoke: 1, small: 3, full: 5 },
    claims,
    async run(context) {
      const runs = await context.overSeeds((seed) => context.remember(`train ${seed}`, () => train(seed, context)));
      return { loss: spread(runs, (run) => run.loss), count: exactly(runs[0]?.weights.length ?? 0) };
    },
  });

const quick = studyOf(async (seed) => ({ loss: 0.5 + seed / 100, weights: new Float32Array(10) }));
const options = () => ({ scale: "small", device: "cpu", out, command: "fourward run sample" }) as const;

describe("runStudy", () => {
  it("gives and writes facts, claims beside measurements, machine, seeds and command", async () => {
    const result = await runStudy(quick, options());
    const folder = runFolder(out, "sample", "small");
    expect(JSON.parse(readFileSync(join(folder, "report.json"), "utf8"))).toEqual(JSON.parse(JSON.stringify(result)));
    expect(result).toMatchObject({
      paper: { number: 20, slug: "sample", title: "A Sample", year: 2024 },
      scale: "small",
      seeds: [0, 1, 2],
      device: "cpu",
      evidence: true,
      command: "fourward run sample",
      artifacts: [join(folder, "report.json"), join(folder, "report.html")],
      measurements: { loss: { values: [0.5, 0.51, 0.52] }, count: { values: [10], exact: true } },
    });
    expect(result.machine.node).toBe(process.version);
    expect(result.machine.onnxruntime).toMatch(/^\d+\.\d+\.\d+/);
    expect(result.claims).toEqual([
      {
        id: "loss",
        text: "loss",
        published: 1,
        unit: "",
        direction: "atMost",
        tolerance: 0,
        where: "table 1",
        measured: expect.closeTo(0.51, 12),
        spread: {
          std: expect.closeTo(0.01, 12),
          low: expect.closeTo(0.51 - 0.01 * (4.303 / Math.sqrt(3)), 6),
          high: expect.closeTo(0.51 + 0.01 * (4.303 / Math.sqrt(3)), 6),
          seeds: 3,
          exact: false,
        },
        verdict: "holds",
      },
      expect.objectContaining({ id: "count", measured: 10, verdict: "holds" }),
    ]);
  });

  it("marks smoke scale as no evidence, and knows no spread of one seed", async () => {
    const result = await runStudy(quick, { ...options(), scale: "smoke" });
    expect(result).toMatchObject({ evidence: false, seeds: [0] });
    expect(result.claims[0]).toMatchObject({ spread: { low: null, high: null }, verdict: "inconclusive" });
    expect(readFileSync(join(runFolder(out, "sample", "smoke"), "report.html"), "utf8")).toContain("no evidence");
  });

  it("runs with the seeds it is told", async () => {
    expect(await runStudy(quick, { ...options(), seeds: [8, 4] })).toMatchObject({
      seeds: [8, 4],
      measurements: { loss: { values: [0.58, 0.54] } },
    });
  });

  it("writes artifacts beside the report and refuses names that are paths or taken", async () => {
    const study = studyOf(async (_, context) => {
      await context.artifact("model.onnx", Uint8Array.of(1, 2));
      for (const name of ["../up", "a/b", "report.json", "", ".hidden"])
        await expect(context.artifact(name, "x")).rejects.toThrow("artifact: expected a file name");
      return { loss: 0, weights: new Float32Array(10) };
    });
    const { artifacts } = await runStudy(study, { ...options(), seeds: [0] });
    expect([...readFileSync(artifacts[2] as string)]).toEqual([1, 2]);
  });

  it("continues where it was stopped, with what an unbroken run would see", async () => {
    const computed: number[] = [];
    const abort = new AbortController();
    const study = (stopAt: number) =>
      studyOf(async (seed) => {
        computed.push(seed);
        if (seed === stopAt) abort.abort();
        return {
          loss: seed === 0 ? Number.POSITIVE_INFINITY : seed,
          weights: Float32Array.from({ length: 10 }, () => seed),
        };
      });
    await expect(runStudy(study(1), { ...options(), signal: abort.signal })).rejects.toThrow(StoppedError);
    expect(existsSync(join(runFolder(out, "sample", "small"), "report.json"))).toBe(false);
    const { measurements, claims: judged } = await runStudy(study(-1), options());
    // What was cut short at seed 1 was not kept; seed 0 was.
    expect(computed).toEqual([0, 1, 1, 2]);
    expect(measurements).toMatchObject({ loss: { values: [Number.POSITIVE_INFINITY, 1, 2] }, count: { mean: 10 } });
    expect(judged[0]).toMatchObject({ verdict: "inconclusive" });
    await runStudy(study(-1), options());
    // A finished run leaves nothing to continue.
    expect(computed).toEqual([0, 1, 1, 2, 0, 1, 2]);
  });

  it("starts anew when told to", async () => {
    let computed = 0;
    const study = studyOf(async (seed) => {
      computed++;
      if (seed === 1 && computed === 2) throw new Error("power failure");
      return { loss: seed, weights: new Float32Array(10) };
    });
    await expect(runStudy(study, options())).rejects.toThrow("power failure");
    await runStudy(study, { ...options(), fresh: true });
    expect(computed).toBe(2 + 3);
  });

  it("gives a remembered value back as a continued run would read it", async () => {
    const seen: unknown[] = [];
    const study = paper({
      ...quick,
      run: async (context: StudyContext) => {
        seen.push(
          await context.remember("a", async () => ({ pixels: Buffer.from([1]), loss: Number.NaN, none: undefined })),
        );
        return { loss: exactly(0), count: exactly(10) };
      },
    });
    await runStudy(study, options());
    expect(seen).toStrictEqual([{ pixels: Uint8Array.of(1), loss: Number.NaN }]);
  });

  it("counts the time of the pieces it takes from an interrupted run", async () => {
    const folder = join(runFolder(out, "sample", "small"), "pieces");
    const pieces = await openPieces(folder, `fourward ${describeMachine().fourward} on cpu`);
    await pieces.write("train 1", { value: { loss: 0.75, weights: new Float32Array(10) }, seconds: 1000 });
    const { seconds, measurements } = await runStudy(quick, options());
    expect(measurements).toMatchObject({ loss: { values: [0.5, 0.75, 0.52] } });
    expect(seconds).toBeGreaterThanOrEqual(1000);
  });

  it("says in one sentence that the disk is full, and keeps what was done", async () => {
    const disk = join(out, "disk");
    await onSmallDisk(disk, async () => {
      let computed = 0;
      const study = studyOf(async (seed) => {
        computed++;
        return { loss: seed, weights: new Float32Array(seed === 2 ? 200_000 : 10) };
      });
      const onDisk = { ...options(), out: disk };
      await expect(runStudy(study, onDisk)).rejects.toThrow(/^write .*\.json: the disk is full; free some space/);
      await expect(runStudy(study, onDisk)).rejects.toThrow("the disk is full");
      expect(computed).toBe(3 + 1);
    });
  });

  it("refuses a study whose claim has no measurement, which only untyped code can make", async () => {
    const study = { ...quick, run: async () => ({ loss: exactly(1) }) as never };
    await expect(runStudy(study, options())).rejects.toThrow('study: claim "count" has no measurement');
  });
});
