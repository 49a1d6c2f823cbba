import { evaluate, key, normal } from "fourward";
import { windowFourierMixer } from "fourward/nn";

// Each position is mixed from its last 16 positions by a Fourier transform, without parameters.
const mixer = windowFourierMixer({ width: 32, window: 16 });
const x = normal(key(0), [2, 64, 32]);
const y = await evaluate(mixer.apply({}, x));
console.log("mixed", y.shape);
