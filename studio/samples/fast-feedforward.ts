import { evaluate, key, normal } from "fourward";
import { fastFeedForward } from "fourward/nn";

// A tree of 3 decisions with a network of 16 units in each of its 8 leaves.
const layer = fastFeedForward({ width: 64, outputs: 10, depth: 3, leafWidth: 16 });
const params = await evaluate(layer.init(key(0)));
const x = normal(key(1), [4, 64]);

// Training mixes all leaves; inference follows one path.
const mixed = await evaluate(layer.apply(params, x, { training: true }));
const chosen = await evaluate(layer.apply(params, x));
console.log("outputs", mixed.shape, chosen.shape);
console.log("weights read for a row:", layer.usedParameterCount, "of", layer.parameterCount);
