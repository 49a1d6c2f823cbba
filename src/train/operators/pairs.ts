/** Pairs of functions: what an operator is given, and what it should make of it. */
import { reshape, type Tensor, take, tensor } from "../../array/index.ts";
import type { Fields } from "./simulated.ts";

/** Inputs and outputs on one grid, `[examples, channels, ...grid]`. */
export interface FieldPairs {
  readonly inputs: Fields;
  readonly outputs: Fields;
}

export const pairCount = ({ inputs }: FieldPairs): number => inputs.shape[0] as number;

/** The examples from `start` to before `stop`. */
export function someFields({ shape, data }: Fields, start: number, stop: number): Fields {
  const count = shape[0] as number;
  if (!(start >= 0 && start < stop && stop <= count))
    throw new RangeError(`someFields: expected a range within ${count} examples, got ${start} to ${stop}`);
  const size = data.length / count;
  return { shape: [stop - start, ...shape.slice(1)], data: data.subarray(start * size, stop * size) };
}

/** The pairs from `start` to before `stop`. */
export const somePairs = ({ inputs, outputs }: FieldPairs, start: number, stop: number): FieldPairs => ({
  inputs: someFields(inputs, start, stop),
  outputs: someFields(outputs, start, stop),
});

/** Fields `[examples, channels, ...grid]` at each `factor`-th point along each axis of the grid. */
export function coarsen({ shape, data }: Fields, factor: number): Fields {
  const [examples, channels, ...grid] = shape as [number, number, ...number[]];
  if (!Number.isInteger(factor) || factor < 1 || grid.some((n) => n % factor !== 0))
    throw new RangeError(`coarsen: ${factor} does not divide a grid of ${grid.join(" x ")}`);
  if (factor === 1) return { shape, data };
  const small = grid.map((n) => n / factor);
  const points = small.reduce((total, n) => total * n, 1);
  const strides = grid.map((_, axis) => grid.slice(axis + 1).reduce((total, n) => total * n, 1));
  const places = Int32Array.from({ length: points }, (_, i) => {
    let rest = i;
    let at = 0;
    for (let axis = grid.length - 1; axis >= 0; axis--) {
      const n = small[axis] as number;
      at += (rest % n) * factor * (strides[axis] as number);
      rest = Math.floor(rest / n);
    }
    return at;
  });
  const size = data.length / (examples * channels);
  const values = new Float32Array(examples * channels * points);
  for (let row = 0; row < examples * channels; row++)
    for (let i = 0; i < points; i++) values[row * points + i] = data[row * size + (places[i] as number)] as number;
  return { shape: [examples, channels, ...small], data: values };
}

/** Pairs on a coarser grid. */
export const coarsenPairs = ({ inputs, outputs }: FieldPairs, factor: number): FieldPairs => ({
  inputs: coarsen(inputs, factor),
  outputs: coarsen(outputs, factor),
});

/** The first states of trajectories `[trajectories, times, ...]`. */
export function firstTimes({ shape, data }: Fields, times: number): Fields {
  const [count, all, ...rest] = shape as [number, number, ...number[]];
  const size = data.length / (count * all);
  const values = new Float32Array(count * times * size);
  for (let i = 0; i < count; i++) values.set(data.subarray(i * all * size, (i * all + times) * size), i * times * size);
  return { shape: [count, times, ...rest], data: values };
}

/**
 * Pairs of a state of trajectories `[trajectories, times, channels, ...grid]` and the next; with `ahead`, of a state and so
 * many of the next, one after the other as channels.
 */
export function successivePairs({ shape, data }: Fields, { ahead = 1 }: { readonly ahead?: number } = {}): FieldPairs {
  const [trajectories, times, channels, ...grid] = shape as [number, number, number, ...number[]];
  if (!Number.isInteger(ahead) || ahead < 1)
    throw new RangeError(`successivePairs: ahead must be a whole number of at least 1, got ${ahead}`);
  if (times < ahead + 1) throw new RangeError(`successivePairs: expected at least ${ahead + 1} times, got ${times}`);
  const size = data.length / (trajectories * times);
  const part = (from: number, states: number): Fields => {
    const count = times - ahead;
    const values = new Float32Array(trajectories * count * states * size);
    for (let i = 0; i < trajectories * count; i++) {
      const start = (Math.floor(i / count) * times + (i % count) + from) * size;
      values.set(data.subarray(start, start + states * size), i * states * size);
    }
    return { shape: [trajectories * count, states * channels, ...grid], data: values };
  };
  return { inputs: part(0, 1), outputs: part(1, ahead) };
}

/** Standard deviation of all numbers about their mean. */
export function fieldDeviation({ data }: Fields): number {
  const mean = data.reduce((total, v) => total + v, 0) / data.length;
  return Math.sqrt(data.reduce((total, v) => total + (v - mean) ** 2, 0) / data.length);
}

/** Fields times a number. */
export const scaleFields = ({ shape, data }: Fields, factor: number): Fields => ({
  shape,
  data: data.map((v) => v * factor),
});

/** Pairs as a constant of traced functions, taken by index. */
export function pairsInGraph({ inputs, outputs }: FieldPairs): {
  readonly count: number;
  take(indices: Tensor): { readonly x: Tensor; readonly y: Tensor };
} {
  const count = inputs.shape[0] as number;
  if (outputs.shape[0] !== count)
    throw new RangeError(`pairsInGraph: ${count} inputs and ${outputs.shape[0]} outputs are no pairs`);
  const rows = ({ data }: Fields): Tensor => tensor(data, { shape: [count, data.length / count] });
  const [from, to] = [rows(inputs), rows(outputs)];
  return {
    count,
    take: (indices) => ({
      x: reshape(take(from, indices), [-1, ...inputs.shape.slice(1)]),
      y: reshape(take(to, indices), [-1, ...outputs.shape.slice(1)]),
    }),
  };
}
