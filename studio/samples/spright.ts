import { fwht, sparseWalshHadamard } from "fourward/spectral";

// A signal of 2^16 samples whose Walsh-Hadamard spectrum has three coefficients.
const spectrum = new Float64Array(2 ** 16);
for (const [index, value] of [
  [5, 2],
  [1234, -1],
  [60000, 0.5],
] as const)
  spectrum[index] = value;
const signal = fwht(Float64Array.from(spectrum, (value) => value / 2 ** 16));

const found = sparseWalshHadamard(signal, { bits: 16, binBits: 4 });
console.log("found", [...found.indices], [...found.values], "from", found.requests, "of", signal.length, "samples");
