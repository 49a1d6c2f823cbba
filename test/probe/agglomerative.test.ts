import { describe, expect, it } from "vitest";
import { evaluate, key, normal, tensor } from "../../src/array/index.ts";
import { agglomerativeClusters, cosineDistances } from "../../src/probe/index.ts";

/** Average linkage by comparing all pairs of clusters at each join. */
function slowly(distances: Float32Array, items: number, count: number): number[] {
  let clusters = Array.from({ length: items }, (_, i) => [i]);
  const apart = (a: number[], b: number[]): number => {
    let sum = 0;
    for (const i of a) for (const j of b) sum += distances[i * items + j] as number;
    return sum / (a.length * b.length);
  };
  while (clusters.length > count) {
    let best = { i: 0, j: 1, distance: Number.POSITIVE_INFINITY };
    for (let i = 0; i < clusters.length; i++)
      for (let j = i + 1; j < clusters.length; j++) {
        const distance = apart(clusters[i] as number[], clusters[j] as number[]);
        if (distance < best.distance) best = { i, j, distance };
      }
    const joined = [...(clusters[best.i] as number[]), ...(clusters[best.j] as number[])];
    clusters = [...clusters.filter((_, k) => k !== best.i && k !== best.j), joined];
  }
  const labels: number[] = [];
  let next = 0;
  for (let item = 0; item < items; item++) {
    const first = Math.min(...(clusters.find((cluster) => cluster.includes(item)) as number[]));
    labels.push(first === item ? next++ : (labels[first] as number));
  }
  return labels;
}

describe("agglomerativeClusters", () => {
  it("joins as comparing all pairs does", async () => {
    for (const seed of [1, 2, 3]) {
      const items = 40;
      const points = normal(key(seed), [items, 5]);
      const distances = (await evaluate(cosineDistances(points))).data as Float32Array;
      for (const count of [1, 2, 7, 20, 40])
        expect(Array.from(agglomerativeClusters(distances, items, count))).toEqual(slowly(distances, items, count));
    }
  });

  it("leaves the distances as they were, and refuses what does not fit", () => {
    const distances = Float32Array.of(0, 1, 1, 0);
    agglomerativeClusters(distances, 2, 1);
    expect(Array.from(distances)).toEqual([0, 1, 1, 0]);
    expect(() => agglomerativeClusters(distances, 3, 1)).toThrow("expected 3 × 3 distances, got 4");
    expect(() => agglomerativeClusters(distances, 2, 3)).toThrow("from 1 to 2, got 3");
  });
});

it("cosineDistances are 0 for rows alike and 2 for opposite ones, after their mean is taken off", async () => {
  const rows = tensor(Float32Array.of(5, 1, 5, 2, 5, -1, 5, -2), { shape: [4, 2] });
  const d = Array.from((await evaluate(cosineDistances(rows))).data as Float32Array);
  expect(d[1]).toBeCloseTo(0, 5);
  expect(d[2]).toBeCloseTo(2, 5);
});
