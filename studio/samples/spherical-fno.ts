import { evaluate, key, normal } from "fourward";
import { sphericalConv } from "fourward/nn";

// A convolution on the sphere with a factor for each degree up to 10, on a grid of 16 circles.
const layer = sphericalConv({ inputs: 2, outputs: 3, degree: 10, grid: "gauss-legendre" });
const params = await evaluate(layer.init(key(0)));
const y = await evaluate(layer.apply(params, normal(key(1), [1, 2, 16, 32])));
console.log("outputs", y.shape);
