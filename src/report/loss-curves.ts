/** Curves of losses that grow while models train, short enough to be sent and drawn again and again. */
import type { TrainingProgress } from "./study.ts";

/** The losses of a model so far: steps rise. */
export interface LossCurve {
  readonly name: string;
  readonly points: readonly (readonly [step: number, loss: number])[];
}

/** Points that a curve has at most. */
const MOST_POINTS = 200;
/** Curves at most; of more, those that were begun first go. */
const MOST_CURVES = 24;

/**
 * The curves after a report, each where it was, new ones at the end. A model whose steps do not rise is trained anew, as
 * with another seed or learning rate, and so its curve begins anew. Losses that are no finite numbers are left out.
 */
export function withLosses(curves: readonly LossCurve[], { step, losses }: TrainingProgress): readonly LossCurve[] {
  const known = new Map(curves.map(({ name, points }) => [name, points]));
  for (const [name, loss] of Object.entries(losses)) {
    if (!Number.isFinite(loss)) continue;
    const points = known.get(name) ?? [];
    const goesOn = points.length > 0 && step > (points.at(-1) as readonly [number, number])[0];
    known.set(name, goesOn ? extended(points, [step, loss]) : [[step, loss]]);
  }
  return [...known].slice(-MOST_CURVES).map(([name, points]) => ({ name, points }));
}

/** With one more point. The last may stand closer to the one before than others do; then it gives way to the new one. */
function extended(points: LossCurve["points"], point: readonly [number, number]): LossCurve["points"] {
  const gap = (i: number) => (points[i]?.[0] ?? Number.NaN) - (points[i - 1]?.[0] ?? Number.NaN);
  const kept = points.length > 2 && gap(points.length - 1) < gap(1) ? points.slice(0, -1) : points;
  const all = [...kept, point];
  return all.length <= MOST_POINTS ? all : all.filter((_, i) => i % 2 === 0 || i === all.length - 1);
}
