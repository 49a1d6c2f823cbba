import { key } from "fourward";
import { encoderDecoder } from "fourward/models";
import { parameterCount } from "fourward/nn";

// Encoder blocks whose feed-forward layers share a name share their weights; the decoder has none.
const attention = { mixer: { kind: "attention", heads: 4 } } as const;
const own = { ffn: { kind: "dense", hidden: 256 } } as const;
const wide = { ffn: { kind: "dense", hidden: 1024 }, shared: "wide" } as const;
const cross = { cross: { heads: 4 } } as const;
const common = { vocabulary: 1000, context: 64, width: 64 };
const models = {
  "one for each layer": encoderDecoder({
    ...common,
    encoder: Array.from({ length: 4 }, () => [attention, own]),
    decoder: Array.from({ length: 4 }, () => [attention, cross, own]),
  }),
  "one wide, shared": encoderDecoder({
    ...common,
    encoder: Array.from({ length: 4 }, () => [attention, wide]),
    decoder: Array.from({ length: 4 }, () => [attention, cross]),
  }),
};
for (const [name, model] of Object.entries(models))
  console.log(name, "parameters:", parameterCount(model.init(key(0))));
