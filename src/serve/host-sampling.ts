/** Choice of a token from its logits on the host, where each row may have options of its own. */
import { checkSampling, type SampleOptions } from "./sample.ts";

/** A source of numbers from 0 to below 1, the same for a seed. */
export function randomSource(seed: number): () => number {
  // Mulberry32: a counter that is mixed; one multiplication chain for each number.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The next token by the same rules as `sample`, drawn with `random`. */
export function sampleOnHost(logits: Float32Array, random: () => number, options: SampleOptions = {}): number {
  checkSampling(options);
  const { temperature = 1, topK = logits.length, topP = 1 } = options;
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
  if (temperature === 0 || topK === 1) return best;
  const top = logits[best] as number;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const isCut = topK < logits.length || topP < 1;
  const order = isCut
    ? Uint32Array.from(weights, (_, i) => i).sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b)
    : null;
  let kept = order ? order.subarray(0, topK) : null;
  if (kept && topP < 1) {
    const total = kept.reduce((sum, i) => sum + (weights[i] as number), 0);
    let before = 0;
    let count = 0;
    while (count < kept.length && (count === 0 || before < topP * total))
      before += weights[kept[count++] as number] as number;
    kept = kept.subarray(0, count);
  }
  const among = kept ?? Uint32Array.from(weights, (_, i) => i);
  let left = random() * among.reduce((sum, i) => sum + (weights[i] as number), 0);
  for (const i of among) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  return among.at(-1) as number;
}
