import { expect, test } from "vitest";
import type { JobResult } from "../../../bench/compare.ts";
import { type EngineReport, reportText } from "../../../bench/engine/report.ts";
import { trainingJobs } from "../../../bench/engine/training-jobs.ts";
import { pairedRatio, summarize } from "../../../bench/statistics.ts";

const jobs = trainingJobs("full");

const result = (peer: string, rounds: readonly number[], base: readonly number[]): JobResult["results"][number] => ({
  peer,
  entrant: "x",
  label: "a way",
  isRounded: false,
  difference: peer === "torch" ? 0 : 2e-6,
  rounds,
  milliseconds: summarize(rounds),
  ratio: pairedRatio(rounds, base),
});

/** A machine of 500 GFLOP/s and 50 GB/s. */
const rates = { gemm: 5e11, gemmOneThread: 2.5e11, copy: 5e10, copyOneThread: 2e10, read: 3e10 };

const report: EngineReport = {
  group: "engine",
  date: "2026-01-01",
  machine: {
    cpu: "A processor",
    cores: 2,
    memoryGiB: 8,
    system: "linux 6",
    node: "v20",
    onnxruntime: "1.30.0",
    fourward: "0.1.0",
  },
  threads: 2,
  rounds: 3,
  peers: {
    fourward: { name: "Fourward", version: "0.1.0", threads: 2 },
    torch: { name: "PyTorch", version: "2", threads: 2, blas: ["/lib/openblas-openmp/libblas.so.3"] },
  },
  skipped: ["tfjs: skipped, ended with code 1"],
  jobs: [
    {
      job: "mlp",
      reference: "torch",
      results: [
        result("fourward", [10, 8, 12], [10, 8, 12]),
        result("fourward", [5, 4, 6], [10, 8, 12]),
        result("torch", [20, 16, 24], [10, 8, 12]),
      ],
      failures: [{ peer: "jax", reason: "ended with code 1" }],
      rates: null,
      works: [],
    },
    {
      job: "products",
      reference: "torch",
      results: [result("fourward", [10], [10])],
      failures: [],
      rates,
      works: [{ id: "call", operations: 2 * 1024 ** 3, bytes: 1e8 }],
    },
  ],
  creation: {
    job: "gpt",
    rounds: [{ traceMs: 50, createMs: 90, firstCallMs: 500, secondCallMs: 300, modelBytes: 102_400 }],
  },
};

test("a report names the machine, every system, each figure with its range, and what failed", () => {
  const text = reportText(report, jobs);
  expect(text).toContain("A processor, 2 cores, 8 GiB");
  expect(text).toContain("- PyTorch 2: 2 threads; linear algebra: /lib/openblas-openmp/libblas.so.3");
  expect(text).toContain("- tfjs: skipped, ended with code 1");
  expect(text).toMatch(/\| PyTorch, a way +\| +20\.0 \| +16\.0 to 24\.0 \| +2\.00x \|.*reference/);
  expect(text).toContain("- jax: ended with code 1");
  expect(text).toContain("model of 100 KiB");
});

test("a job of known work shows its rates, and their shares of the machine's", () => {
  const text = reportText(report, jobs);
  expect(text).toMatch(/GFLOP\/s \| of GEMM \| +GB\/s \| of copying/);
  expect(text).toMatch(/\| +215 \| +42.9 % \| +10.0 \| +20.0 % \|/);
  expect(text).toContain("matrix products 500 GFLOP/s (one thread 250), copying 50.0 GB/s");
});

test("the summary compares the better ways", () => {
  const line = reportText(report, jobs)
    .split("\n")
    .find((row) => row.startsWith("| mlp "));
  expect(line).toContain("5.00");
  expect(line).toContain("20.0 (4.00x)");
});
