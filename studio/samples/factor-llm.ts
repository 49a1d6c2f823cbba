import { evaluate, key, normal } from "fourward";
import { moefiedFfn } from "fourward/nn";

// Four slices of a gated layer; a linear router chooses two. Outputs are scaled, since half of the sum is missing.
const layer = moefiedFfn({ width: 64, hidden: 256, experts: 4, active: 2, router: "linear", gated: true, scale: 2 });
const params = await evaluate(layer.init(key(0)));
const y = await evaluate(layer.apply(params, normal(key(1), [4, 64])));
console.log("outputs", y.shape);
// A trained model is cut with `fourward convert <model> --with factor`.
