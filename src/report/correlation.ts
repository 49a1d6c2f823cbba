/** Correlations between measurements of many models. */
import { studentTPValue } from "./student.ts";
import { average } from "./summary.ts";

/** Fewer models than this say nothing about a correlation. */
const FEWEST = 5;

/**
 * Pearson's correlation: the cosine of the two lists about their means, from -1 to 1; NaN if one of them is constant.
 * Throws one sentence unless the lists have the same length of at least 2.
 */
export function pearson(x: readonly number[], y: readonly number[]): number {
  checkPair("pearson", x, y);
  const [a, b] = [deviations(x), deviations(y)];
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Spearman's correlation: Pearson's of the ranks, where equal values share the mean of their ranks. */
export function spearman(x: readonly number[], y: readonly number[]): number {
  checkPair("spearman", x, y);
  return pearson(ranks(x), ranks(y));
}

/**
 * The correlation of `x` and `y` that is left when `control` is held fixed:
 * `(r_xy - r_xz·r_yz)/√((1 - r_xz²)·(1 - r_yz²))`, which is Pearson's of the residuals after a straight line in the
 * control is taken from both. NaN if one of them is constant, or nothing but the control.
 * Source: Yule 1907, "On the theory of correlation for any number of variables".
 */
export function partialCorrelation(x: readonly number[], y: readonly number[], control: readonly number[]): number {
  const [xy, xz, yz] = [pearson(x, y), pearson(x, control), pearson(y, control)];
  return (xy - xz * yz) / Math.sqrt((1 - xz * xz) * (1 - yz * yz));
}

/**
 * Two-sided p-value of a correlation of `count` models that has no true correlation behind it, with this many variables
 * held fixed: Student's t of `r·√(ν/(1 - r²))` with `ν = count - 2 - controls` degrees of freedom. Models are taken as
 * independent and normal. Throws one sentence for fewer than 5 models, of which no p-value should be told.
 */
export function correlationPValue(r: number, count: number, controls = 0): number {
  if (!Number.isInteger(count) || count < FEWEST + controls)
    throw new RangeError(
      `correlationPValue: expected at least ${FEWEST + controls} models${controls === 0 ? "" : ` with ${controls} held fixed`}, got ${count}`,
    );
  if (!(Math.abs(r) <= 1)) throw new RangeError(`correlationPValue: expected a correlation from -1 to 1, got ${r}`);
  const degrees = count - 2 - controls;
  return studentTPValue(r * Math.sqrt(degrees / (1 - r * r)), degrees);
}

/** Each value less the mean of its group: correlations of these are those within groups. */
export function withinGroups(values: readonly number[], groups: readonly string[]): number[] {
  if (values.length !== groups.length)
    throw new RangeError(`withinGroups: expected a group for each of ${values.length} values, got ${groups.length}`);
  const members = new Map<string, number[]>();
  values.forEach((value, i) => {
    const group = groups[i] as string;
    members.set(group, [...(members.get(group) ?? []), value]);
  });
  const means = new Map([...members].map(([group, own]) => [group, average(own)]));
  return values.map((value, i) => value - (means.get(groups[i] as string) as number));
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((total, v, i) => total + v * (b[i] as number), 0);

function deviations(values: readonly number[]): readonly number[] {
  const mean = average(values);
  return values.map((value) => value - mean);
}

/** Ranks from 1; equal values get the mean of theirs. */
function ranks(values: readonly number[]): readonly number[] {
  const order = [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number));
  const result = new Array<number>(values.length);
  for (let first = 0; first < order.length; ) {
    let next = first + 1;
    while (next < order.length && values[order[next] as number] === values[order[first] as number]) next++;
    for (let i = first; i < next; i++) result[order[i] as number] = (first + next + 1) / 2;
    first = next;
  }
  return result;
}

function checkPair(name: string, x: readonly number[], y: readonly number[]): void {
  if (x.length !== y.length || x.length < 2)
    throw new RangeError(
      `${name}: expected two lists of the same length of at least 2, got ${x.length} and ${y.length}`,
    );
}
