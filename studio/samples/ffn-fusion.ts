import { add, concat, evaluate, key, normal } from "fourward";
import { ffn } from "fourward/nn";

// Two layers that read the same vectors are one layer of twice the width.
const layer = ffn({ width: 32, hidden: 128, bias: false });
const [a, b] = await evaluate([layer.init(key(0)), layer.init(key(1))]);
const x = await evaluate(normal(key(2), [4, 32]));

const sideBySide = add(layer.apply(a, x), layer.apply(b, x));
const wide = ffn({ width: 32, hidden: 256, bias: false });
const fused = wide.apply(
  {
    up: { weight: concat([a.up.weight, b.up.weight], { axis: 1 }) },
    down: { weight: concat([a.down.weight, b.down.weight], { axis: 0 }) },
  },
  x,
);
const [one, two] = await evaluate([sideBySide, fused]);
console.log("side by side:", one.data.slice(0, 3));
console.log("fused:", two.data.slice(0, 3));
