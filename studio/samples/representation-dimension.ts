import { abs, evaluate, item, key, matmul, max, normal, sub, tensor, transpose } from "fourward";
import { principalComponents, rowCovariance } from "fourward/probe";

// Rows that mostly live in 8 of 32 directions.
const mix = normal(key(0), [8, 32]);
const x = await evaluate(matmul(normal(key(1), [500, 8]), mix));

// Turned into the basis of principal components, what is cut costs least.
const { components, variances } = principalComponents(await rowCovariance(x));
const basis = tensor(components.slice(0, 8 * 32), { shape: [8, 32], dtype: "float32" });
const back = matmul(matmul(x, transpose(basis)), basis);
console.log(
  "variance in 8 directions:",
  variances.slice(0, 8).reduce((a, b) => a + b) / variances.reduce((a, b) => a + b),
);
console.log("largest error after the cut:", item(await evaluate(max(abs(sub(back, x))))));
