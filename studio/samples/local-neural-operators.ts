import { evaluate, key, normal } from "fourward";
import { neuralOperator } from "fourward/models";

// Fourier modes with differential and integral kernels beside them; the same weights serve any grid.
const model = neuralOperator({
  ...{ inputs: 1, outputs: 1, width: 16, layers: 2, modes: [8, 8] },
  differential: { size: 1 },
  integral: { radius: 0.1 },
});
const params = await evaluate(model.init(key(0)));
for (const n of [32, 64]) console.log((await evaluate(model.apply(params, normal(key(1), [1, 1, n, n])))).shape);
