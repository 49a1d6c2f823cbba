import { evaluate, key, normal } from "fourward";
import { finiteScalarQuantizer, gridSize } from "fourward/nn";

// Four channels with 8, 5, 5 and 5 values: 1,000 codes, none of them learned.
const levels = [8, 5, 5, 5];
const quantizer = finiteScalarQuantizer(levels);
const { params, state } = quantizer.init(key(0));
const { codes, indices } = quantizer.apply(params, state, normal(key(1), [6, levels.length]));
const quantized = await evaluate({ codes, indices });
console.log("codes", gridSize(levels), "rows", quantized.codes.shape, "indices", [...quantized.indices.data]);
