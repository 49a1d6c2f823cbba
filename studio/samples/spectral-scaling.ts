import { evaluate, key, matmul, normal, relu } from "fourward";
import { rowCovariance, symmetricEigenvalues } from "fourward/probe";

// Hidden activations of a random layer of 128 units, and how many of its directions they use.
const hidden = await evaluate(relu(matmul(normal(key(0), [2000, 32]), normal(key(1), [32, 128]))));
const { matrix, width } = await rowCovariance(hidden);
const values = [...symmetricEigenvalues(matrix, width)].map((value) => Math.max(value, 0));
const total = values.reduce((a, b) => a + b);
const shares = values.map((value) => value / total);
const soft = Math.exp(-shares.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0));
const hard = 1 / shares.reduce((sum, p) => sum + p * p, 0);
console.log("soft rank", soft, "hard rank", hard, "of", width);
