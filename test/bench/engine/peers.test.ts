import { expect, test } from "vitest";
import { betterKernels, blasText, findPeers } from "../../../bench/engine/peers.ts";

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

test("asks OpenBLAS for kernels of the processor where it took narrow ones", () => {
  const flags = (names: string) => `processor : 0\nmodel : 207\nflags\t\t: fpu sse2 ${names}\nbogomips : 1\n`;
  expect(betterKernels("Prescott", flags("avx2 avx512f avx512_bf16"))).toBe("Cooperlake");
  expect(betterKernels("prescott", flags("avx2 avx512f"))).toBe("SkylakeX");
  expect(betterKernels("Nehalem", flags("avx2"))).toBe("Haswell");
  expect(betterKernels("Nehalem", flags("ssse3"))).toBeNull();
  expect(betterKernels("Cooperlake", flags("avx2 avx512f avx512_bf16"))).toBeNull();
  expect(betterKernels("", flags("avx2"))).toBeNull();
});
