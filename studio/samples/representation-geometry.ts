import { evaluate, key, matmul, normal } from "fourward";
import { effectiveDimension, rowCovariance } from "fourward/probe";

// Features that come from ever fewer numbers have ever fewer dimensions, whatever their count.
for (const sources of [64, 16, 4]) {
  const features = await evaluate(matmul(normal(key(0), [2000, sources]), normal(key(1), [sources, 64])));
  console.log(sources, "sources: effective dimension", effectiveDimension(await rowCovariance(features)));
}
