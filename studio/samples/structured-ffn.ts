import { evaluate, key, normal } from "fourward";
import { blockDenseLinear, blockShuffleLinear, lowRankLinear, parameterCount } from "fourward/nn";

const shape = { inputs: 256, outputs: 1024 };
const layers = {
  "low rank": lowRankLinear({ ...shape, rank: 64 }),
  "block and dense": blockDenseLinear({ ...shape, rank: 64, blocks: 2 }),
  "block and shuffle": blockShuffleLinear({ ...shape, blocks: 4 }),
};
for (const [name, layer] of Object.entries(layers)) {
  const params = await evaluate(layer.init(key(0)));
  const y = await evaluate(layer.apply(params as never, normal(key(1), [2, 256])));
  console.log(name, y.shape, "share of the dense weights:", parameterCount(params) / (256 * 1024));
}
