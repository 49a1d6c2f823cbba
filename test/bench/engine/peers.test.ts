import { expect, test } from "vitest";
import { blasText, findPeers } from "../../../bench/engine/peers.ts";

test("without torch, PyTorch is skipped with one sentence", () => {
  expect(findPeers(["torch"], 2, process.execPath)).toEqual([
    { id: "torch", missing: "PyTorch: skipped, no python3 here can import torch" },
  ]);
});

test("the build of OpenBLAS that slows torch down is named as such", () => {
  expect(blasText(["/usr/lib/openblas-pthread/libblas.so.3"])).toContain("WARNING: the pthread build");
  expect(blasText(["/usr/lib/openblas-openmp/libblas.so.3"])).toBe(
    "linear algebra: /usr/lib/openblas-openmp/libblas.so.3",
  );
  expect(blasText([])).toContain("could not be told");
});
