/** Jobs of text: a token of a Llama form at batch 1. */
import type { ArraySpec } from "./inputs.ts";
import { constant, type Job, type Scale } from "./job.ts";

interface LlamaSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly vocabulary: number;
  /** Tokens that stand before, and positions that the caches have room for. */
  readonly seen: number;
  readonly room: number;
}

/** The jobs of `bench text`. */
export const textJobs = (scale: Scale): readonly Job[] => [
  decode(
    scale === "tiny"
      ? { layers: 1, width: 32, heads: 2, hidden: 48, vocabulary: 64, seen: 5, room: 16 }
      : { layers: 12, width: 768, heads: 12, hidden: 2048, vocabulary: 32_000, seen: 48, room: 128 },
  ),
];

/** Norms by the root mean square, rotary positions, SwiGLU, no biases, the head tied to the embeddings. */
function decode(sizes: LlamaSizes): Job {
  const { layers, width, hidden, vocabulary, seen } = sizes;
  const weight = (name: string, inputs: number, outputs: number): ArraySpec => ({
    name: `${name}.weight`,
    role: "parameter",
    shape: [inputs, outputs],
    // Times do not depend on what the numbers are.
    fill: { repeated: 0.02 },
  });
  const millions = (2 * vocabulary * width + layers * (8 * width * width + 6 * width * hidden)) / 2e6;
  return {
    id: "decode",
    title: `A token after ${seen} others, Llama form of ${millions.toFixed(millions < 10 ? 2 : 0)} million random parameters, batch 1`,
    unit: "token",
    model: "decode",
    sizes: { ...sizes },
    arrays: [
      weight("embedding", vocabulary, width),
      ...Array.from({ length: layers }, (_, i) => [
        constant(`blocks.${i}.mixer.norm.scale`, [width], 1),
        ...["query", "key", "value", "output"].map((name) => weight(`blocks.${i}.mixer.layer.${name}`, width, width)),
        constant(`blocks.${i}.ffn.norm.scale`, [width], 1),
        weight(`blocks.${i}.ffn.layer.gate`, width, hidden),
        weight(`blocks.${i}.ffn.layer.up`, width, hidden),
        weight(`blocks.${i}.ffn.layer.down`, hidden, width),
      ]).flat(),
      constant("norm.scale", [width], 1),
    ],
    stepsInGraph: 1,
  };
}
