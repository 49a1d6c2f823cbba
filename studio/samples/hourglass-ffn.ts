import { evaluate, key, normal } from "fourward";
import { hourglassFfn, parameterCount, residual } from "fourward/nn";

// Four narrow networks in a row on a wide stream.
const layer = residual(hourglassFfn({ width: 256, hidden: 64, depth: 4, gated: true }));
const params = await evaluate(layer.init(key(0)));
const y = await evaluate(layer.apply(params, normal(key(1), [4, 256])));
console.log("outputs", y.shape, "parameters", parameterCount(params));
