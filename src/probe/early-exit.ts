/** Rules that stop a model before its last layer, judged on recorded traces of predictions. */
import { saturationLayer } from "./vocabulary.ts";

/** A prediction on its way: what stands after each layer. */
export interface PredictionTrace {
  /** The likeliest token after each layer. */
  readonly tops: readonly number[];
  /** Its probability. */
  readonly confidence: readonly number[];
  /** For each layer the clusters of the value vectors with the largest coefficients, the largest first. */
  readonly clusters: readonly ArrayLike<number>[];
}

/** The layer at which a prediction is taken, from 0. */
export type ExitRule = (trace: PredictionTrace) => number;

/** Takes the first layer whose likeliest token has at least this probability, the last layer otherwise. */
export const exitByConfidence =
  (least: number): ExitRule =>
  ({ confidence }) => {
    const found = confidence.findIndex((p) => p >= least);
    return found < 0 ? confidence.length - 1 : found;
  };

/** Entries that are equal, place by place. */
function overlap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return equal;
}

/**
 * Takes layer l if the clusters that are active there look more like those of training examples that settle at l than like
 * those of examples that settle later: the largest and the mean overlap must both be above those with every later layer.
 * A layer at which no training example settles is never taken.
 * Source: Geva et al. 2022, arXiv:2203.14680, section 6.2, as in the authors' notebook.
 */
export function exitByClusters(training: readonly PredictionTrace[]): ExitRule {
  const layers = training[0]?.tops.length ?? 0;
  const settled = Array.from({ length: layers }, (_, layer) =>
    training.filter(({ tops }) => saturationLayer(tops) === layer),
  );
  return ({ clusters }) => {
    for (let layer = 0; layer < layers - 1; layer++) {
      const own = clusters[layer] as ArrayLike<number>;
      const likeness = settled.slice(layer).map((examples) => {
        let [most, sum] = [0, 0];
        for (const example of examples) {
          const equal = overlap(own, example.clusters[layer] as ArrayLike<number>);
          most = Math.max(most, equal);
          sum += equal;
        }
        return { most, mean: examples.length === 0 ? 0 : sum / examples.length, count: examples.length };
      });
      const [here, ...later] = likeness;
      if (!here || here.count === 0) continue;
      const isAbove = later.every(({ count, most, mean }) => count === 0 || (here.most > most && here.mean > mean));
      if (isAbove) return layer;
    }
    return layers - 1;
  };
}

/** What a rule does to predictions. */
export interface ExitScore {
  /** Share of predictions that are those of the last layer. */
  readonly agreement: number;
  /** Layers that are not computed, on average. */
  readonly saved: number;
}

/** Agreement and layers saved of a rule on traces. */
export function scoreExit(rule: ExitRule, traces: readonly PredictionTrace[]): ExitScore {
  let [agreeing, saved] = [0, 0];
  for (const trace of traces) {
    const layer = rule(trace);
    const last = trace.tops.length - 1;
    agreeing += Number(trace.tops[layer] === trace.tops[last]);
    saved += last - layer;
  }
  return { agreement: agreeing / traces.length, saved: saved / traces.length };
}

/**
 * The confidence with which `exitByConfidence` saves most on training traces while at least this share of them agrees
 * with the last layer; above 1, which never exits early, if no confidence does.
 */
export function chooseConfidence(training: readonly PredictionTrace[], agreement: number): number {
  const candidates = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);
  // A higher bar exits less and agrees more, so the first that agrees enough saves most.
  return candidates.find((least) => scoreExit(exitByConfidence(least), training).agreement >= agreement) ?? 2;
}
