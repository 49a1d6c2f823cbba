import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  changesSince,
  changesText,
  type Entry,
  machineKind,
  readHistory,
  record,
  regressionText,
} from "../../../bench/engine/history.ts";
import type { EngineReport } from "../../../bench/engine/report.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const machine = {
  cpu: "Intel(R) Xeon(R) CPU @ 2.20GHz",
  cores: 2,
  memoryGiB: 8,
  system: "linux 6",
  node: "v20",
  onnxruntime: "1.30.0",
  fourward: "0.1.0",
};

const entry = (job: string, ms: Entry["ms"][string], commit = "b"): Entry => ({
  date: "2026-01-02",
  commit,
  group: "engine",
  job,
  threads: 2,
  ms: { "fourward/fit": ms, "torch/eager": [1, 1, 1] },
  rates: null,
});

const summary = (median: number) => ({ median, low: median - 1, high: median + 1, count: 3 });

const report: EngineReport = {
  group: "engine",
  date: "2026-01-01",
  machine,
  threads: 2,
  rounds: 3,
  peers: {},
  skipped: [],
  creation: null,
  jobs: [
    {
      job: "mlp",
      reference: "torch",
      failures: [],
      rates: { gemm: 123456789, gemmOneThread: 2, copy: 3, copyOneThread: 4, read: 5 },
      works: [],
      results: [7, 5].map((ms) => ({
        peer: "fourward",
        entrant: `way${ms}`,
        isRounded: false,
        label: "a way",
        difference: 0,
        rounds: [ms],
        milliseconds: summary(ms),
        ratio: summary(1),
      })),
    },
    { job: "cnn", reference: "torch", failures: [], rates: null, works: [], results: [] },
  ],
};

test("kinds of machines are told by processor and cores", () => {
  expect(machineKind(machine)).toBe("intel-xeon-cpu-2-cores");
});

test("a record holds each way of the jobs that were timed, and is read back", () => {
  expect(readHistory(machine, folder)).toEqual([]);
  record(report, "abc", folder);
  record(report, "def", folder);
  const history = readHistory(machine, folder);
  expect(history.map(({ job, commit }) => [job, commit])).toEqual([
    ["mlp", "abc"],
    ["mlp", "def"],
  ]);
  expect(history[0]?.ms).toEqual({ "fourward/way7": [7, 6, 8], "fourward/way5": [5, 4, 6] });
  expect(history[0]?.rates?.gemm).toBe(123460000);
  expect(readHistory({ ...machine, cores: 4 }, folder)).toEqual([]);
});

test("slower in every round than the last record by more than a tenth is a regression", () => {
  const history = [
    entry("mlp", [1, 1, 1]),
    entry("mlp", [10, 9, 11]),
    entry("cnn", [10, 9, 11]),
    entry("gpt", [10, 9, 11]),
  ];
  const now = [
    entry("mlp", [11.5, 10.5, 12], "c"),
    entry("cnn", [11.5, 9.9, 14], "c"),
    entry("gpt", [9, 8, 10], "c"),
    entry("fno", [1, 1, 1], "c"),
  ];
  const changes = changesSince(history, now);
  expect(changes.map(({ name, factor, isRegression }) => [name, factor, isRegression])).toEqual([
    ["mlp/fit", 1.15, true],
    ["cnn/fit", 1.15, false],
    ["gpt/fit", 0.9, false],
    ["fno/fit", null, false],
  ]);
  expect(regressionText(changes)).toBe(
    "REGRESSION: slower than the last record, by its time over that: mlp/fit 1.15x.",
  );
  expect(changesText(changes)).toContain("b, 2026-01-02");
  expect(regressionText(changesSince(history, now.slice(1)))).toBe(
    "No regression: none of 2 figures is slower than its last record.",
  );
  expect(regressionText(changesSince([], now))).toContain("nothing to compare with");
});

test("other threads are another measurement", () => {
  expect(changesSince([{ ...entry("mlp", [1, 1, 1]), threads: 1 }], [entry("mlp", [2, 2, 2])])[0]?.before).toBeNull();
});
