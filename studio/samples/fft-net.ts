import { evaluate, grad, key, normal, square, sum, type Tensor } from "fourward";
import { parameterCount, spectralFilterMixer } from "fourward/nn";

// A filter on the spectrum of the sequence that depends on its mean, with modReLU.
const mixer = spectralFilterMixer({ width: 32, positions: 64, heads: 4, activation: "modRelu" });
const params = await evaluate(mixer.init(key(0)));
const x = await evaluate(normal(key(1), [2, 64, 32]));
const loss = (p: typeof params, input: Tensor) => sum(square(mixer.apply(p, input)));
const slope = await evaluate(grad(loss)(params, x));
console.log("parameters:", parameterCount(params), "gradients:", parameterCount(slope));
