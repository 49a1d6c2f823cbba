import { evaluate, key, normal } from "fourward";
import { moefiedFfn } from "fourward/nn";

// 256 hidden units in 32 experts, of which a router chooses 8 for each row.
const options = { width: 64, hidden: 256, experts: 32, router: "similarity" } as const;
const sparse = moefiedFfn({ ...options, active: 8 });
const dense = moefiedFfn({ ...options, active: 32 });

const params = await evaluate(sparse.init(key(0)));
const x = await evaluate(normal(key(1), [4, 64]));
const [some, all] = await evaluate([sparse.apply(params, x), dense.apply(params, x)]);
console.log("a quarter of the units:", some.data.slice(0, 3));
console.log("all of them:", all.data.slice(0, 3));
// A trained model is converted with `fourward convert <model> --with moefication`.
