import { evaluate, gelu, key, normal } from "fourward";
import { ffn, parameterCount, threeLayerFfn } from "fourward/nn";

const two = await evaluate(ffn({ width: 64, hidden: 256 }).init(key(0)));
const layer = threeLayerFfn({ width: 64, hidden: 256, activation: gelu });
const three = await evaluate(layer.init(key(0)));
const y = await evaluate(layer.apply(three, normal(key(1), [4, 64])));
console.log(
  "outputs",
  y.shape,
  "parameters of a usual block:",
  parameterCount(two),
  "with a third layer:",
  parameterCount(three),
);
