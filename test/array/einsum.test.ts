import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  compile,
  einsum,
  evaluate,
  grad,
  jvp,
  mul,
  ones,
  releaseSessions,
  square,
  sum,
  type Tensor,
  tensor,
  toNested,
  zeros,
} from "../../src/array/index.ts";
import { drawn } from "./check.ts";
import { indices, valueOf } from "./oracle.ts";

afterAll(releaseSessions);

const at = <T>(list: readonly T[], i: number): T => list[i] as T;
const offset = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((total, k, axis) => total * at(shape, axis) + k, 0);

/** The sum over every assignment of the letters, for operands whose axes are all named by letters. */
function naive(
  terms: readonly string[],
  output: string,
  operands: readonly Tensor[],
): { shape: number[]; data: number[] } {
  const extents = new Map(
    terms.flatMap((term, i) => [...term].map((c, k) => [c, at(at(operands, i).shape, k)] as const)),
  );
  const letters = [...extents.keys()];
  const shape = [...output].map((c) => extents.get(c) as number);
  const data = Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0);
  const values = operands.map((x) => valueOf(x).data);
  for (const index of indices([...extents.values()])) {
    const place = (term: string) => [...term].map((c) => at(index, letters.indexOf(c)));
    const product = terms.reduce(
      (p, term, i) => p * (at(values, i)[offset(at(operands, i).shape, place(term))] as number),
      1,
    );
    const to = offset(shape, place(output));
    data[to] = at(data, to) + product;
  }
  return { shape, data };
}

function expectClose(
  actual: Tensor,
  expected: { shape: readonly number[]; data: readonly number[] },
  what: string,
): void {
  expect(actual.shape, what).toEqual(expected.shape);
  valueOf(actual).data.forEach((v, i) => {
    expect(Math.abs(v - at(expected.data, i)), `${what}, element ${i}`).toBeLessThan(1e-12);
  });
}

interface Case {
  readonly equation: string;
  readonly terms: readonly string[];
  readonly output: string;
  readonly operands: readonly Tensor[];
}

/** Equations over five letters with one to four operands; letters may repeat in one operand. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    terms: fc.array(
      fc.array(fc.constantFrom(..."abcde"), { maxLength: 3 }).map((letters) => letters.join("")),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    extents: fc.tuple(...Array.from({ length: 5 }, () => fc.integer({ min: 1, max: 3 }))),
    order: fc.shuffledSubarray([..."abcde"]),
    seed: fc.nat(1000),
  })
  .map(({ terms, extents, order, seed }) => {
    const output = order.filter((c) => terms.some((term) => term.includes(c))).join("");
    const shapeOf = (term: string) => [...term].map((c) => at(extents, "abcde".indexOf(c)));
    const operands = terms.map((term, i) => drawn(seed + i, shapeOf(term), "float64", (u) => u));
    return { equation: `${terms.join(",")}->${output}`, terms, output, operands };
  });

describe("einsum", () => {
  it("agrees with the sum over all assignments, for any equation", async () => {
    const sampled = fc.sample(cases, { numRuns: 150, seed: 21 });
    const results = await evaluate(sampled.map(({ equation, operands }) => einsum(equation, ...operands)));
    sampled.forEach(({ equation, terms, output, operands }, i) => {
      expectClose(at(results, i), naive(terms, output, operands), equation);
    });
  });

  it("has gradients that central differences give, once and twice", async () => {
    const sampled = fc.sample(cases, { numRuns: 20, seed: 22 });
    const jobs = sampled.flatMap(({ equation, operands }, i) => {
      const loss = (xs: readonly Tensor[]) => sum(square(square(einsum(equation, ...xs))));
      const along = operands.map((x, k) => drawn(i + k + 50, x.shape, "float64"));
      const slope = (xs: readonly Tensor[]) =>
        grad(loss)(xs)
          .map((g, k) => sum(mul(g, at(along, k))))
          .reduce((a, b) => add(a, b));
      const moved = (step: number) =>
        operands.map((x, k) =>
          tensor(
            valueOf(x).data.map((v, n) => v + step * (valueOf(at(along, k)).data[n] as number)),
            { shape: x.shape, dtype: "float64" },
          ),
        );
      return [loss, slope].map((fn) => ({
        pulled: grad(fn)(operands).map((g, k) => sum(mul(g, at(along, k)))),
        pushed: jvp(fn, [operands], [along])[1],
        ahead: fn(moved(1e-6)),
        behind: fn(moved(-1e-6)),
      }));
    });
    for (const { pulled, pushed, ahead, behind } of await evaluate(jobs)) {
      const number = (x: Tensor) => Number(x.data[0]);
      const total = pulled.map(number).reduce((a, b) => a + b, 0);
      const numeric = (number(ahead) - number(behind)) / 2e-6;
      const scale = Math.max(1, Math.abs(numeric), Math.abs(number(ahead)));
      expect(Math.abs(total - numeric)).toBeLessThan(1e-6 * scale);
      expect(Math.abs(total - number(pushed))).toBeLessThan(1e-10 * scale);
    }
  });

  it("without an arrow gives the letters that occur once, in alphabetical order", async () => {
    const [a, b] = [drawn(1, [2, 3], "float64"), drawn(2, [4, 3], "float64")];
    const [product, turned, trace, total] = await evaluate([
      einsum("ki,ji", a, b),
      einsum("ba", a),
      einsum(
        "ii",
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
      einsum("ij,ij", a, a),
    ] as const);
    expectClose(product, naive(["ki", "ji"], "jk", [a, b]), "ki,ji");
    expectClose(turned, naive(["ba"], "ab", [a]), "ba");
    expect(toNested(trace)).toBe(5);
    expectClose(total, naive(["ij", "ij"], "", [a, a]), "ij,ij");
  });

  it("broadcasts the axes of an ellipsis, aligned at the right", async () => {
    const [a, b, v] = [drawn(1, [5, 1, 2, 3], "float64"), drawn(2, [4, 3, 2], "float64"), drawn(3, [3], "float64")];
    const [product, implicit, scaled, gone] = await evaluate([
      einsum("...ij,...jk->...ik", a, b),
      einsum("...ij,...jk", a, b),
      einsum("i...,...->i...", v, drawn(4, [2], "float64")),
      einsum("...j->j", b),
    ] as const);
    const repeated = einsum("nxij,m->nmij", a, ones([4], "float64"));
    const whole = await evaluate(repeated);
    const expected = naive(["nmij", "mjk"], "nmik", [whole, b]);
    expectClose(product, expected, "...ij,...jk->...ik");
    expectClose(implicit, expected, "...ij,...jk");
    expectClose(scaled, naive(["i", "a"], "ia", [v, drawn(4, [2], "float64")]), "i...,...->i...");
    expectClose(gone, naive(["mkj"], "j", [b]), "...j->j");
  });

  it("lowers attention to one product without moving data, and whole numbers too", async () => {
    const scores = compile((q: Tensor, k: Tensor) => einsum("bhqd,bhkd->bhqk", q, k));
    const [q, k] = [drawn(1, [2, 3, 4, 5], "float32"), drawn(2, [2, 3, 6, 5], "float32")];
    const text = scores.print(q, k);
    expect(text).toContain("matmul");
    expect(text).not.toMatch(/transpose\b|reshape/);
    const [whole] = await evaluate([
      einsum(
        "ij,j->i",
        tensor(
          [
            [1, 2],
            [3, 4],
          ],
          { dtype: "int32" },
        ),
        tensor([5, 6], { dtype: "int32" }),
      ),
    ]);
    expect(toNested(whole)).toEqual([17, 39]);
  });

  it("takes axes of no elements", async () => {
    const [none, zero] = await evaluate([
      einsum("ij,jk->ik", zeros([0, 3]), zeros([3, 2])),
      einsum("ij,jk->ik", zeros([2, 0]), zeros([0, 3])),
    ] as const);
    expect(none.shape).toEqual([0, 2]);
    expect(toNested(zero)).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });

  it("says what is wrong with an equation", () => {
    const [a, b] = [zeros([2, 3]), zeros([4, 5])];
    const failures: [string, Tensor[], string][] = [
      ["ij,jk->ik", [a, b], '"j" has 3 elements in one place and 4 in another'],
      ["ij->ik", [a], 'the result names "k", which no operand has'],
      ["ij->ii", [a], "the result names an axis twice"],
      ["ijk->i", [a], 'operand 0 has 2 axes, "ijk" names 3'],
      ["ij,jk", [a], "names 2 operands, got 1"],
      ["i->j->k", [a], "expected at most one arrow"],
      ["i1->i", [a], '"i1" is not made of letters and at most one "..."'],
      ["...ij...->i", [a], '"...ij..." is not made of letters and at most one "..."'],
      ["...,...->...", [a, b], 'axis -2 of "..." has 2 elements in one place and 4 in another'],
      ["ii", [a], '"i" has 2 elements in one place and 3 in another'],
      ["ij,ij", [a, zeros([2, 3], "float64")], "operands are float32 and float64; cast one of them"],
    ];
    for (const [equation, operands, reason] of failures)
      expect(() => einsum(equation, ...operands)).toThrow(`einsum: "${equation}": ${reason}`);
  });
});
