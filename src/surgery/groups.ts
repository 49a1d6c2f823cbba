/** Equal groups of hidden units: by likeness, by being active together, or by chance. */
import { permutation } from "../data/index.ts";

/** For each unit the number of its group; all groups have the same size. */
export type Groups = Int32Array;

/** Throws one sentence unless so many units can be cut into so many equal groups. */
export function checkGroups(units: number, groups: number): void {
  if (!Number.isInteger(groups) || groups < 1 || units % groups !== 0)
    throw new RangeError(
      `surgery: ${units} units cannot be cut into ${groups} equal groups; choose a divisor of ${units}`,
    );
}

/** Equal groups by chance. */
export function randomGroups(units: number, groups: number, seed: number): Groups {
  checkGroups(units, groups);
  const result = new Int32Array(units);
  permutation(units, seed, 0).forEach((unit, place) => {
    result[unit] = Math.floor((place * groups) / units);
  });
  return result;
}

/** Units in each group, in order. */
export function membersOf(groups: Groups): number[][] {
  const members: number[][] = [];
  groups.forEach((group, unit) => {
    members[group] ??= [];
    members[group].push(unit);
  });
  return members;
}

export interface KMeansResult {
  readonly groups: Groups;
  /** Sum of squared distances from the points to the means of their groups. */
  readonly inertia: number;
}

/** Rounds after which assignment and means hardly change any more. */
const ROUNDS = 30;

/**
 * Balanced k-means: equal groups of points near to each other. In turns, pairs of a point and a mean are taken by rising
 * distance, each point going to the nearest mean that has room, and means are moved; the best round is kept. Points:
 * `[units, width]`, row-major.
 */
export function balancedKMeans(
  points: Float32Array,
  width: number,
  groups: number,
  { seed = 0 }: { readonly seed?: number } = {},
): KMeansResult {
  const units = points.length / width;
  checkGroups(units, groups);
  let means = meansOf(points, width, randomGroups(units, groups, seed), groups);
  // From points instead of means of many, which all lie near the middle.
  permutation(units, seed, 1)
    .subarray(0, groups)
    .forEach((unit, g) => {
      means.set(points.subarray(unit * width, (unit + 1) * width), g * width);
    });
  let best: KMeansResult | null = null;
  for (let round = 0; round < ROUNDS; round++) {
    const assigned = assignBalanced(points, width, means, groups);
    means = meansOf(points, width, assigned, groups);
    const inertia = inertiaOf(points, width, assigned, means);
    if (best && inertia >= best.inertia * (1 - 1e-6)) {
      if (inertia < best.inertia) best = { groups: assigned, inertia };
      break;
    }
    best = { groups: assigned, inertia };
  }
  return best as KMeansResult;
}

/** Sum of squared distances from points to the means of their groups. */
export function inertiaOf(points: Float32Array, width: number, groups: Groups, means: Float32Array): number {
  let total = 0;
  groups.forEach((group, unit) => {
    for (let i = 0; i < width; i++)
      total += ((points[unit * width + i] as number) - (means[group * width + i] as number)) ** 2;
  });
  return total;
}

/** Means of groups, `[groups, width]`. */
export function meansOf(points: Float32Array, width: number, assigned: Groups, groups: number): Float32Array {
  const means = new Float32Array(groups * width);
  const counts = new Int32Array(groups);
  assigned.forEach((group, unit) => {
    (counts[group] as number)++;
    for (let i = 0; i < width; i++) (means[group * width + i] as number) += points[unit * width + i] as number;
  });
  for (let k = 0; k < means.length; k++) (means[k] as number) /= Math.max(1, counts[Math.floor(k / width)] as number);
  return means;
}

function assignBalanced(points: Float32Array, width: number, means: Float32Array, groups: number): Groups {
  const units = points.length / width;
  const distances = new Float32Array(units * groups);
  for (let unit = 0; unit < units; unit++)
    for (let g = 0; g < groups; g++) {
      let distance = 0;
      for (let i = 0; i < width; i++)
        distance += ((points[unit * width + i] as number) - (means[g * width + i] as number)) ** 2;
      distances[unit * groups + g] = distance;
    }
  const order = Uint32Array.from({ length: distances.length }, (_, pair) => pair).sort(
    (a, b) => (distances[a] as number) - (distances[b] as number) || a - b,
  );
  const room = new Int32Array(groups).fill(units / groups);
  const result = new Int32Array(units).fill(-1);
  for (const pair of order) {
    const [unit, g] = [Math.floor(pair / groups), pair % groups];
    if ((result[unit] as number) >= 0 || room[g] === 0) continue;
    result[unit] = g;
    (room[g] as number)--;
  }
  return result;
}

/**
 * Equal groups of units that are active together: one after the other, a group begins with the free unit that is most
 * often active and takes the free units that are active most often together with those it has; then pairs of units change
 * places while that brings more activity together. `together`: how often two units were active at once,
 * `[units, units]`, with each unit's own count on the diagonal.
 */
export function coactivationGroups(together: Float32Array, groups: number): Groups {
  const units = Math.round(Math.sqrt(together.length));
  checkGroups(units, groups);
  const at = (a: number, b: number): number => together[a * units + b] as number;
  const result = new Int32Array(units).fill(-1);
  const size = units / groups;
  for (let g = 0; g < groups; g++) {
    const affinity = new Float64Array(units);
    for (let taken = 0; taken < size; taken++) {
      let next = -1;
      for (let unit = 0; unit < units; unit++) {
        if ((result[unit] as number) >= 0) continue;
        const value = taken === 0 ? at(unit, unit) : (affinity[unit] as number);
        const bestSoFar = next < 0 ? -1 : taken === 0 ? at(next, next) : (affinity[next] as number);
        if (value > bestSoFar) next = unit;
      }
      result[next] = g;
      for (let unit = 0; unit < units; unit++) (affinity[unit] as number) += at(next, unit);
    }
  }
  return improveBySwaps(result, groups, at);
}

/** Passes over all units after which hardly any pair is left to swap. */
const PASSES = 4;

/** Swaps units of different groups while that increases what is active together within groups. */
function improveBySwaps(groups: Groups, count: number, at: (a: number, b: number) => number): Groups {
  const units = groups.length;
  // How much each unit shares with each group.
  const shared = new Float64Array(units * count);
  for (let a = 0; a < units; a++)
    for (let b = 0; b < units; b++) if (a !== b) (shared[a * count + (groups[b] as number)] as number) += at(a, b);
  for (let pass = 0; pass < PASSES; pass++) {
    let swapped = false;
    for (let a = 0; a < units; a++) {
      const own = groups[a] as number;
      let [best, partner] = [1e-9, -1];
      for (let b = a + 1; b < units; b++) {
        const other = groups[b] as number;
        if (other === own) continue;
        const gain =
          (shared[a * count + other] as number) -
          (shared[a * count + own] as number) +
          (shared[b * count + own] as number) -
          (shared[b * count + other] as number) -
          2 * at(a, b);
        if (gain > best) [best, partner] = [gain, b];
      }
      if (partner < 0) continue;
      const other = groups[partner] as number;
      groups[a] = other;
      groups[partner] = own;
      swapped = true;
      for (let unit = 0; unit < units; unit++) {
        const change = (unit === partner ? 0 : at(unit, partner)) - (unit === a ? 0 : at(unit, a));
        (shared[unit * count + own] as number) += change;
        (shared[unit * count + other] as number) -= change;
      }
    }
    if (!swapped) break;
  }
  return groups;
}

/** What is active together within groups, of all that is active together: from 0 to 1. */
export function togetherWithin(together: Float32Array, groups: Groups): number {
  const units = groups.length;
  let [within, all] = [0, 0];
  for (let a = 0; a < units; a++)
    for (let b = 0; b < units; b++) {
      if (a === b) continue;
      const value = together[a * units + b] as number;
      all += value;
      if (groups[a] === groups[b]) within += value;
    }
  return all === 0 ? 0 : within / all;
}
