import { convergenceOrder, lieTrotter, linearFlow, strang } from "fourward/science";

// Two parts of an equation of which each can be solved alone: what attention and feed-forward layers stand for.
const parts = [
  linearFlow([
    [0, 1],
    [0, 0],
  ]),
  linearFlow([
    [0, 0],
    [-1, 0],
  ]),
];
const exact = linearFlow([
  [0, 1],
  [-1, 0],
]);
for (const [name, scheme] of Object.entries({
  "attention, ffn": lieTrotter(parts),
  "half ffn, attention, half ffn": strang(parts),
})) {
  const errors = [0.2, 0.1, 0.05, 0.025].map((step) => {
    let x: readonly number[] = [1, 0];
    for (let i = 0; i < Math.round(1 / step); i++) x = scheme(x, step);
    const truth = exact([1, 0], 1);
    return { step, error: Math.hypot(...x.map((value, i) => value - (truth[i] as number))) };
  });
  console.log(name, "is of order", convergenceOrder(errors).order);
}
