import { evaluate, key, tensor } from "fourward";
import { siren, sphericalHarmonicEncoding } from "fourward/nn";

// Longitude and latitude to harmonics of 10 degrees, read by a network of sines.
const encoding = sphericalHarmonicEncoding({ degrees: 10 });
const network = siren({ inputs: encoding.features, outputs: 1, hidden: 64, layers: 2 });
const params = await evaluate(network.init(key(0)));
const places = tensor([
  [16.4, 48.2],
  [-179.9, 0],
  [179.9, 0],
]);
const logits = await evaluate(network.apply(params, encoding.encode(places)));
// The last two are neighbours across the date line.
console.log("logits", [...logits.data]);
