import { evaluate, key, normal } from "fourward";
import { transformOnce } from "fourward/models";

// One cosine transform, then layers on the 8 x 8 lowest frequencies; the output is a spectrum.
const model = transformOnce({ inputs: 1, outputs: 1, width: 16, layers: 3, modes: [8, 8], size: 32 });
const params = await evaluate(model.init(key(0)));
const spectrum = await evaluate(model.apply(params, normal(key(1), [2, 1, 32, 32])));
console.log("spectrum", spectrum.shape);
