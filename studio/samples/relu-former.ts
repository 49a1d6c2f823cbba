import { evaluate, key, normal, variance } from "fourward";
import { keyValueMemory } from "fourward/nn";

// The same memory read by ReLU and by softmax, with few slots and with many.
for (const slots of [64, 1024])
  for (const weights of ["relu", "softmax"] as const) {
    const memory = keyValueMemory({ width: 64, slots, weights });
    const y = memory.apply(memory.init(key(0)), normal(key(1), [64, 64]));
    console.log(weights, slots, "slots: variance", (await evaluate(variance(y))).data[0]);
  }
