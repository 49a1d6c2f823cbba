/** Curves of losses that grow while models train, short enough to be sent and drawn again and again. */
import type { TrainingProgress } from "./study.ts";

/** The losses of a model so far: steps rise. */
export interface LossCurve {
  readonly name: string;
  readonly points: readonly (readonly [step: number, loss: number])[];
}

/** Points that a curve has at most. */
const MOST_POINTS = 200;
/** Curves at most; of more, those go that were begun first and do not go on. */
const MOST_CURVES = 24;

/**
 * The curves after a report, each where it was, new ones at the end. A model whose steps do not rise is trained anew, as
 * with another seed or learning rate, and so its curve begins anew; the same report twice changes nothing. Losses that are
 * no finite numbers are left out.
 */
export function withLosses(curves: readonly LossCurve[], { step, losses }: TrainingProgress): readonly LossCurve[] {
  const known = new Map(curves.map(({ name, points }) => [name, points]));
  const told = Object.entries(losses).slice(0, MOST_CURVES);
  for (const [name, loss] of told) {
    if (!Number.isFinite(loss)) continue;
    const points = known.get(name) ?? [];
    const [lastStep, lastLoss] = points.at(-1) ?? [Number.POSITIVE_INFINITY, Number.NaN];
    if (step === lastStep && loss === lastLoss) continue;
    known.set(name, step > lastStep ? extended(points, [step, loss]) : [[step, loss]]);
  }
  const going = new Set(told.map(([name]) => name));
  for (const name of known.keys()) if (known.size > MOST_CURVES && !going.has(name)) known.delete(name);
  return [...known].map(([name, points]) => ({ name, points }));
}

/** With one more point. The last may stand closer to the one before than others do; then it gives way to the new one. */
function extended(points: LossCurve["points"], point: readonly [number, number]): LossCurve["points"] {
  const gap = (i: number) => (points[i]?.[0] ?? Number.NaN) - (points[i - 1]?.[0] ?? Number.NaN);
  const kept = points.length > 2 && gap(points.length - 1) < gap(1) ? points.slice(0, -1) : points;
  const all = [...kept, point];
  return all.length <= MOST_POINTS ? all : all.filter((_, i) => i % 2 === 0 || i === all.length - 1);
}

/** What became of a curve: so many of its points are kept, and others follow; it is gone where it has none. */
export interface CurveChange extends LossCurve {
  readonly kept: number;
}

/** What makes the curves `after` of those `before`, for whoever has these: mostly a point or two each. */
export function curveChanges(before: readonly LossCurve[], after: readonly LossCurve[]): readonly CurveChange[] {
  const stays = before.filter(({ name }) => after.some((curve) => curve.name === name));
  // Otherwise a curve has gone and come back meanwhile, and stands elsewhere: then all are told anew.
  const inPlace = stays.every(({ name }, i) => name === after[i]?.name) ? stays : [];
  return [
    ...before.filter((curve) => !inPlace.includes(curve)).map(({ name }) => ({ name, kept: 0, points: [] })),
    ...after.flatMap(({ name, points }) => {
      const old = inPlace.find((curve) => curve.name === name)?.points ?? [];
      if (old === points) return [];
      const differs = points.findIndex(([step, loss], i) => old[i]?.[0] !== step || old[i]?.[1] !== loss);
      const kept = differs < 0 ? points.length : differs;
      return kept === points.length && kept === old.length ? [] : [{ name, kept, points: points.slice(kept) }];
    }),
  ];
}

/** The curves after changes. */
export function withChanges(curves: readonly LossCurve[], changes: readonly CurveChange[]): readonly LossCurve[] {
  const known = new Map(curves.map(({ name, points }) => [name, points]));
  for (const { name, kept, points } of changes) {
    const all = [...(known.get(name) ?? []).slice(0, kept), ...points];
    if (all.length > 0) known.set(name, all);
    else known.delete(name);
  }
  return [...known].map(([name, points]) => ({ name, points }));
}
