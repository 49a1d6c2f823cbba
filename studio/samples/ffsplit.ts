import { evaluate, key, normal, relu } from "fourward";
import { ffn, parameterCount, splitFfn } from "fourward/nn";

// A quarter of the units stay whole; the others read and write through 48 numbers.
const whole = await evaluate(ffn({ width: 192, hidden: 768 }).init(key(0)));
const layer = splitFfn({ width: 192, hidden: 768, kept: 192, rank: 48, activation: relu });
const params = await evaluate(layer.init(key(0)));
const y = await evaluate(layer.apply(params, normal(key(1), [2, 192])));
console.log("outputs", y.shape);
console.log("share of the weights:", parameterCount(params) / parameterCount(whole));
