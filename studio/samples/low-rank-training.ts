import { evaluate, key, normal } from "fourward";
import { lowRankLinear, parameterCount } from "fourward/nn";

// A map of 512 to 2,048 features through 128 numbers.
const layer = lowRankLinear({ inputs: 512, outputs: 2048, rank: 128 });
const params = await evaluate(layer.init(key(0)));
const y = await evaluate(layer.apply(params, normal(key(1), [4, 512])));
console.log("outputs", y.shape, "share of the dense weights:", parameterCount(params) / (512 * 2048));
