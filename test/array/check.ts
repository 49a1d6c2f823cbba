/**
 * Checks a function over tensors against the oracle: its value on the runtime, in each element type; its gradient
 * against central differences of the oracle; its second gradient likewise; and that simplification changes nothing.
 */
import { expect } from "vitest";
import { checkGraph } from "../../src/array/graph.ts";
import {
  add,
  cast,
  compile,
  type DType,
  grad as gradientOf,
  isFloat,
  mul,
  ownsMemory,
  sum,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";
import { simplify } from "../../src/array/simplify.ts";
import { type Graph, inNewScope, placeholder } from "../../src/array/tensor.ts";
import { interpret, type Value, valueOf } from "./oracle.ts";

/** A function applied to concrete inputs. */
export interface Case {
  readonly apply: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  readonly inputs: readonly Tensor[];
}

export interface CheckOptions {
  /** How often the function can be differentiated: 0, 1 or 2 times. */
  readonly order: 0 | 1 | 2;
  /** Largest relative error of the runtime in float32; 1e-5 unless a row says why not. */
  readonly tolerance?: number;
  /** Largest relative error of the runtime in float64. */
  readonly tolerance64?: number;
  /** The function is made of sines, cosines or their inverses, for which a GPU has a tolerance of its own. */
  readonly trigonometric?: true;
}

/** What WGSL demands of sines and cosines on a GPU: an absolute error of 2^-11 at the most. */
const GPU_TRIGONOMETRIC = 2 ** -11;

/** Numbers from a seed, uniform in (-1, 1): mulberry32. */
export function numbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * 2 - 1;
  };
}

const list = (result: Tensor | readonly Tensor[]): readonly Tensor[] =>
  Array.isArray(result) ? result : [result as Tensor];

/** Traces a function for inputs of these types. */
export const traceOf = (fn: (...inputs: Tensor[]) => readonly Tensor[], inputs: readonly Tensor[]): Graph =>
  inNewScope(() => {
    const formal = inputs.map((x, i) => placeholder(x, `x${i}`));
    return { inputs: formal, outputs: fn(...formal) };
  });

/** Throws unless two values agree; relative to the larger of 1 and the largest element. */
export function expectClose(actual: Value, expected: Value, tolerance: number, what: string): void {
  expect(actual.shape, `${what}: shape`).toEqual(expected.shape);
  const scale = expected.data.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 1);
  expected.data.forEach((v, i) => {
    const w = actual.data[i] as number;
    if (Object.is(v, w) || v === w) return;
    const close = Number.isNaN(v) ? Number.isNaN(w) : Math.abs(v - w) <= tolerance * scale;
    if (!close) expect.fail(`${what}: element ${i} is ${w}, expected ${v}`);
  });
}

/** Weighted sum of all float outputs: a scalar with a gradient everywhere. */
function scalarOf(outputs: readonly Tensor[], seed: number): Tensor | null {
  const next = numbers(seed);
  return outputs.reduce<Tensor | null>((total, y) => {
    if (!isFloat(y.dtype)) return total;
    const weights = tensor(Float64Array.from({ length: y.size }, next), { shape: y.shape, dtype: y.dtype });
    const part = cast(sum(mul(y, weights)), "float64");
    return total ? add(total, part) : part;
  }, null);
}

const floatPlaces = (inputs: readonly Tensor[]): number[] => inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));

/** The gradient of a scalar function of several tensors with respect to its float inputs. */
const gradients =
  (fn: (...inputs: Tensor[]) => Tensor) =>
  (...inputs: Tensor[]): readonly Tensor[] => {
    const places = floatPlaces(inputs);
    return gradientOf((floats: readonly Tensor[]) =>
      fn(...inputs.map((x, i) => (places.includes(i) ? (floats[places.indexOf(i)] as Tensor) : x))),
    )(places.map((i) => inputs[i] as Tensor));
  };

/** Checks that the pulled-back gradient of a scalar equals its central difference along a random direction. */
function checkDirection(what: string, fn: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): void {
  const places = floatPlaces(inputs);
  const value = traceOf((...xs) => [fn(...xs)], inputs);
  const slope = traceOf((...xs) => gradients(fn)(...xs), inputs);
  checkGraph(slope);
  const base = inputs.map(valueOf);
  const next = numbers(99);
  const direction = places.map((i) => Float64Array.from({ length: (inputs[i] as Tensor).size }, next));
  const step = 1e-5;
  const shifted = (sign: number): Value[] =>
    base.map((x, i) => {
      const d = direction[places.indexOf(i)];
      return d ? { shape: x.shape, data: x.data.map((v, k) => v + sign * step * (d[k] as number)) } : x;
    });
  const at = (values: Value[]): number => (interpret(value, values)[0] as Value).data[0] as number;
  const numeric = (at(shifted(1)) - at(shifted(-1))) / (2 * step);
  const pulled = interpret(slope, base).reduce(
    (total, g, i) => total + g.data.reduce((s, v, k) => s + v * ((direction[i] as Float64Array)[k] as number), 0),
    0,
  );
  const scale = Math.max(1, Math.abs(numeric), Math.abs(at(base)));
  if (!(Math.abs(numeric - pulled) <= 2e-6 * scale))
    expect.fail(`${what}: the gradient along a direction is ${pulled}, central differences give ${numeric}`);
}

/** The functions of a case that are checked: its value, its gradient, its second gradient. */
function derived({ apply }: Case, order: 0 | 1 | 2): ((...inputs: Tensor[]) => readonly Tensor[])[] {
  const value = (...xs: Tensor[]) => list(apply(...xs));
  const first = gradients((...xs) => scalarOf(value(...xs), 7) as Tensor);
  const second = gradients((...xs) => scalarOf(first(...xs), 8) as Tensor);
  return [value, first, second].slice(0, order + 1);
}

/** Checks cases of one element type; all of them run in one model. */
export async function checkCases(
  name: string,
  cases: readonly Case[],
  { order, tolerance = 1e-5, tolerance64 = 1e-11, trigonometric }: CheckOptions,
): Promise<void> {
  const single = trigonometric && ownsMemory({}) ? GPU_TRIGONOMETRIC : tolerance;
  const jobs = cases.flatMap((one, i) => {
    const levels = floatPlaces(one.inputs).length > 0 ? derived(one, order) : derived(one, 0);
    return levels.map((fn, level) => ({
      fn,
      inputs: one.inputs,
      what: `${name}, case ${i} (${one.inputs.join(", ")}), ${["value", "gradient", "second gradient"][level]}`,
    }));
  });
  const expected = jobs.map(({ fn, inputs, what }) => {
    const graph = traceOf(fn, inputs);
    checkGraph(graph);
    const values = inputs.map(valueOf);
    const plain = interpret(graph, values);
    const simple = simplify(graph);
    checkGraph(simple);
    // Folded constants are rounded to the type of the tensor, float32 at the least.
    for (const [i, v] of interpret(simple, values).entries())
      expectClose(v, plain[i] as Value, 1e-6, `${what}, simplified`);
    return plain;
  });
  const run = compile((inputs: readonly (readonly Tensor[])[]) =>
    jobs.map(({ fn }, i) => fn(...(inputs[i] as Tensor[]))),
  );
  const results = await run(jobs.map(({ inputs }) => inputs));
  results.forEach((outputs, i) => {
    outputs.forEach((y, k) => {
      const relative = y.dtype === "float64" ? tolerance64 : isFloat(y.dtype) ? single : 0;
      expectClose(valueOf(y), (expected[i] as Value[])[k] as Value, relative, (jobs[i] as (typeof jobs)[number]).what);
    });
  });
  for (const one of cases) {
    if (order === 0 || floatPlaces(one.inputs).length === 0) continue;
    const value = (...xs: Tensor[]) => scalarOf(list(one.apply(...xs)), 7) as Tensor;
    checkDirection(`${name} (${one.inputs.join(", ")})`, value, one.inputs);
    if (order === 2)
      checkDirection(
        `${name} (${one.inputs.join(", ")}), twice`,
        (...xs) => scalarOf(gradients(value)(...xs), 8) as Tensor,
        one.inputs,
      );
  }
}

/** A tensor whose elements `element(u)` are made from uniform numbers u in (-1, 1). */
export function drawn(
  seed: number,
  shape: readonly number[],
  dtype: DType,
  element: (u: number, index: number) => number = (u) => 2 * u,
): Tensor {
  const next = numbers(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float64Array.from({ length: count }, (_, i) => element(next(), i)),
    { shape, dtype },
  );
}
