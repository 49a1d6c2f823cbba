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
  const best = likeliest(logits);
  if (temperature === 0 || topK === 1) return best;
  const top = logits[best] as number;
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    const weight = Math.exp(((logits[i] as number) - top) / temperature);
    weights[i] = weight;
    total += weight;
  }
  if (topK >= logits.length && topP >= 1) return drawn(weights, null, random() * total);
  const kept = nucleus(weights, largest(logits, topK), topP);
  return drawn(weights, kept, random() * kept.reduce((sum, i) => sum + (weights[i] as number), 0));
}

/** The token whose share of the line of weights `at` lies in. */
function drawn(weights: Float64Array, among: readonly number[] | null, at: number): number {
  const count = among?.length ?? weights.length;
  const nth = (i: number): number => (among ? (among[i] as number) : i);
  let left = at;
  for (let i = 0; i < count; i++) {
    left -= weights[nth(i)] as number;
    if (left < 0) return nth(i);
  }
  return nth(count - 1);
}

/** The first of the likeliest tokens. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
  return best;
}

/** The `count` tokens of the highest logits, in no order; of equal ones the first. */
function largest(logits: Float32Array, count: number): number[] {
  if (count >= logits.length) return Array.from(logits, (_, i) => i);
  // Sorting numbers is many times as quick as sorting tokens by them.
  const smallest = Float32Array.from(logits).sort()[logits.length - count] as number;
  const above: number[] = [];
  const equal: number[] = [];
  for (let i = 0; i < logits.length; i++) {
    if ((logits[i] as number) > smallest) above.push(i);
    else if (logits[i] === smallest) equal.push(i);
  }
  return [...above, ...equal.slice(0, count - above.length)];
}

/** Of some tokens the likeliest ones that have the share `topP` of their weight together, in order; always one at least. */
function nucleus(weights: Float64Array, among: readonly number[], topP: number): readonly number[] {
  const weight = (i: number): number => weights[i] as number;
  const inOrder = (tokens: readonly number[]) => [...tokens].sort((a, b) => weight(b) - weight(a) || a - b);
  if (topP >= 1) return inOrder(among);
  const total = among.reduce((sum, i) => sum + weight(i), 0);
  // Tokens below this have less than the rest of the weight together, so they are never among the likeliest.
  const least = ((1 - topP) * total) / among.length;
  const candidates = inOrder(among.filter((i) => weight(i) >= least));
  let before = 0;
  let count = 0;
  while (count < candidates.length && (count === 0 || before < topP * total))
    before += weight(candidates[count++] as number);
  return candidates.slice(0, count);
}

/** What makes tokens less or more likely than the model holds them. */
export interface Penalties {
  /** Taken off the logit of a token for each time that it was chosen; 0 by default. */
  readonly frequencyPenalty?: number;
  /** Taken off the logit of a token that was chosen before; 0 by default. */
  readonly presencePenalty?: number;
  /** Added to the logits of tokens. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

/** Changes logits in place for how often tokens were chosen before. */
export function penalize(
  logits: Float32Array,
  chosen: ReadonlyMap<number, number>,
  { frequencyPenalty = 0, presencePenalty = 0, logitBias }: Penalties,
): void {
  if (frequencyPenalty !== 0 || presencePenalty !== 0)
    for (const [token, times] of chosen) (logits[token] as number) -= frequencyPenalty * times + presencePenalty;
  if (logitBias) for (const [token, bias] of logitBias) if (token < logits.length) (logits[token] as number) += bias;
}

/** A token and the natural logarithm of its probability. */
export interface TokenProbability {
  readonly token: number;
  readonly logprob: number;
}

/** The probability of a token by the logits, and those of the `count` likeliest tokens, the likeliest first. */
export function probabilitiesOf(
  logits: Float32Array,
  token: number,
  count: number,
): TokenProbability & { readonly top: readonly TokenProbability[] } {
  const top = logits[likeliest(logits)] as number;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - top);
  const of = (i: number): TokenProbability => ({ token: i, logprob: (logits[i] as number) - top - Math.log(total) });
  const highest = count === 0 ? [] : largest(logits, count).map(of);
  return { ...of(token), top: highest.sort((a, b) => b.logprob - a.logprob || a.token - b.token) };
}
