/** Flows of shallow water that the study of spherical operators learns, and what it measures on them. */
import { compile, evaluate, key, mul, normal, sum, type Tensor, type Tree, tensor } from "../array/index.ts";
import { EARTH, randomFlow, type ShallowWater, shallowWater } from "../data/index.ts";
import type { Layer } from "../nn/index.ts";
import type { Point, StudyContext } from "../report/index.ts";
import { degreePower, rotatedField, sphericalHarmonics } from "../spectral/index.ts";
import { type Fields, simulated, someFields, type TrainedOperator } from "../train/index.ts";

/** The grid of training and one with twice as many points along both axes. */
export interface FlowGrid {
  /** Largest degree of the simulation. */
  readonly degree: number;
  /** Circles; twice as many points on each. */
  readonly latitudes: number;
}

/** Seconds between two states, steps of the simulation in it, states that are left out at the start, and friction in s. */
const LAG = { time: 3600, steps: 6, start: 12, friction: 7200 } as const;
/** Mean depth in m, and the largest degree of the random states that flows begin with. */
const LAYER = { depth: 10_000, cutoff: 10 } as const;

const names = ["geopotential", "vorticity", "divergence"] as const;

/** Channels are deviations of the geopotential from its mean in m²/s², vorticities and divergences in 1/s. */
const CHANNELS = names.length;

interface FlowOptions extends FlowGrid {
  readonly seed: number;
  readonly count: number;
  /** States of each flow, an hour apart. */
  readonly times: number;
  /** How many of the first states are given on the finer grid too. */
  readonly fine: number;
}

/** Flows `[flows, times, 3, latitudes, longitudes]`, and the first states of each on the finer grid. */
async function sphereFlows(
  { degree, latitudes, seed, count, times, fine }: FlowOptions,
  context: StudyContext,
): Promise<{ readonly states: Fields; readonly fine: Fields }> {
  const solver = shallowWater({ degree, friction: LAG.friction });
  const grids = [1, 2].map((finer) => ({ latitudes: finer * latitudes, longitudes: 2 * finer * latitudes }));
  const shape = (i: number, states: number) => [
    states,
    CHANNELS,
    grids[i]?.latitudes as number,
    grids[i]?.longitudes as number,
  ];
  const shapes = { states: shape(0, times), fine: shape(1, fine) };
  const mean = EARTH.gravity * LAYER.depth;
  return simulated({
    name: "shallow-water",
    recipe: { ...LAG, ...LAYER, degree, seed, version: 1 },
    count,
    shapes,
    make: (index) => {
      const steps = { dt: LAG.time / LAG.steps };
      const made = [0, 1].map((i) => new Float32Array(Object.values(shapes)[i]?.reduce((a, b) => a * b, 1) as number));
      let state = randomFlow({ degree, seed, index, ...LAYER });
      state = solver.advance(state, { ...steps, steps: LAG.start * LAG.steps });
      for (let time = 0; time < times; time++) {
        for (const [i, values] of made.entries()) {
          if (i === 1 && time >= fine) continue;
          const fields = solver.fieldsOf(state, grids[i]);
          const size = fields.vorticity.length;
          for (const [c, name] of names.entries())
            values.set(
              name === "geopotential" ? fields[name].map((v) => v - mean) : fields[name],
              (time * CHANNELS + c) * size,
            );
        }
        if (time < times - 1) state = solver.advance(state, { ...steps, steps: LAG.steps });
      }
      return { states: made[0] as Float32Array, fine: made[1] as Float32Array };
    },
    signal: context.signal,
    onProgress: (done, total) => context.progress({ stage: "simulating flows", done, total, unit: "flows" }),
  });
}

/** How many flows there are, and how long they last. */
export interface FlowCounts extends FlowGrid {
  /** States of a flow of training, an hour apart. */
  readonly times: number;
  /** Flows. */
  readonly training: number;
  readonly validation: number;
  readonly test: number;
  /** Steps of rollouts that are held against the truth. */
  readonly rollout: number;
}

/**
 * Flows to learn from, `training` and then `validation` of them; test flows with the states of a rollout; and the first
 * states of these on the finer grid. Channels are over their sizes in training.
 */
export async function scaledFlows(
  { degree, latitudes, times, training, validation, test, rollout }: FlowCounts,
  context: StudyContext,
): Promise<{
  readonly learned: Fields;
  readonly states: Fields;
  readonly fine: Fields;
  readonly sizes: readonly number[];
}> {
  const grid = { degree, latitudes };
  const raw = await sphereFlows({ ...grid, seed: 10, count: training + validation, times, fine: 1 }, context);
  const held = await sphereFlows(
    { ...grid, seed: 1010, count: test, times: rollout + 1, fine: Math.min(times, 9) },
    context,
  );
  const sizes = channelSizes(someFields(raw.states, 0, training));
  const [learned, states, fine] = [raw.states, held.states, held.fine].map((fields) =>
    scaleChannels(fields, sizes),
  ) as [Fields, Fields, Fields];
  return { learned, states, fine, sizes };
}

/** Root mean square of each channel of fields `[..., 3, latitudes, longitudes]`. */
function channelSizes({ shape, data }: Fields): readonly number[] {
  const size = (shape.at(-1) as number) * (shape.at(-2) as number);
  const totals = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const c = Math.floor(i / size) % CHANNELS;
    totals[c] = (totals[c] as number) + (data[i] as number) ** 2;
  }
  return totals.map((total) => Math.sqrt((CHANNELS * total) / data.length));
}

/** Each channel over its size. */
function scaleChannels({ shape, data }: Fields, sizes: readonly number[]): Fields {
  const size = (shape.at(-1) as number) * (shape.at(-2) as number);
  return { shape, data: data.map((v, i) => v / (sizes[Math.floor(i / size) % CHANNELS] as number)) };
}

/** Mean of `½(|v|² + φ²/Φ)` over the sphere and a batch of scaled states, Φ the mean geopotential: the energy of small waves. */
export function waveEnergy({ degree, latitudes }: FlowGrid, sizes: readonly number[]): (x: Tensor) => Tensor {
  const sphere = sphericalHarmonics({ latitudes, degree });
  const weights = Float32Array.from({ length: CHANNELS * (degree + 1) }, (_, i) => {
    const [c, l] = [Math.floor(i / (degree + 1)), i % (degree + 1)];
    if (l === 0) return 0;
    const squared = (sizes[c] as number) ** 2 / (8 * Math.PI);
    return c === 0 ? squared / (EARTH.gravity * LAYER.depth) : (squared * EARTH.radius ** 2) / (l * (l + 1));
  });
  return (x) => {
    const power = degreePower(sphere.analyze(x));
    return mul(sum(mul(power, tensor(weights, { shape: [CHANNELS, degree + 1] }))), 1 / (x.shape[0] as number));
  };
}

/** Kinetic energy by degree, from 1 on, of a scaled state. */
export function kineticPoints(
  solver: ShallowWater,
  values: Float32Array,
  { latitudes }: FlowGrid,
  sizes: readonly number[],
): Point[] {
  const size = 2 * latitudes ** 2;
  const [geopotential, vorticity, divergence] = names.map((_, c) =>
    Float64Array.from(values.subarray(c * size, (c + 1) * size), (v) => v * (sizes[c] as number)),
  ) as [Float64Array, Float64Array, Float64Array];
  const state = solver.stateOf({ geopotential, vorticity, divergence }, { latitudes, longitudes: 2 * latitudes });
  return Array.from(solver.kineticSpectrum(state).slice(1), (y, i) => ({ x: i + 1, y: Math.max(y, 1e-12) }));
}

/** Drift in % of a flow in solid rotation in balance over one day: Williamson's test 2, here about the axis. */
export function steadyDrift(degree: number): number {
  const solver = shallowWater({ degree });
  const { latitudes, longitudes } = solver.grid;
  const speed = (2 * Math.PI * EARTH.radius) / (12 * 86_400);
  const field = (fn: (cosine: number) => number): Float64Array =>
    Float64Array.from({ length: latitudes * longitudes }, (_, i) =>
      fn(Math.cos(solver.colatitudes[Math.floor(i / longitudes)] as number)),
    );
  const start = solver.stateOf({
    geopotential: field((z) => 2.94e4 - (EARTH.radius * EARTH.rotation * speed + speed ** 2 / 2) * z ** 2),
    vorticity: field((z) => (2 * speed * z) / EARTH.radius),
    divergence: field(() => 0),
  });
  const end = solver.advance(start, { dt: 600, steps: 144 });
  const [before, after] = [start, end].map((state) => solver.fieldsOf(state).geopotential) as [
    Float64Array,
    Float64Array,
  ];
  return (100 * Math.max(...after.map((v, i) => Math.abs(v - (before[i] as number))))) / Math.max(...before);
}

/** Change of the mean geopotential of a random flow over one day, as a share of it. */
export function massDrift(degree: number): number {
  const solver = shallowWater({ degree, friction: LAG.friction });
  const start = randomFlow({ degree, seed: 10, ...LAYER });
  const end = solver.advance(start, { dt: LAG.time / LAG.steps, steps: 24 * LAG.steps });
  return Math.abs(solver.totals(end).mass / solver.totals(start).mass - 1);
}

const size = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((total, v) => total + v * v, 0));
const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  size(Array.from(a, (v, i) => v - (b[i] as number))) / size(b);

/**
 * How far a new layer with 3 channels is from commuting with a rotation about a tilted axis: of a random field within the
 * degree, the relative difference between the result turned and the result of the field turned.
 */
export async function rotationError(
  layer: Layer<Tree>,
  { degree, latitudes }: FlowGrid,
  seed: number,
): Promise<number> {
  const longitudes = 2 * latitudes;
  const sphere = sphericalHarmonics({ latitudes, degree });
  const shape = [1, CHANNELS, latitudes, longitudes];
  const turned = async (x: Tensor): Promise<Tensor> => {
    const { re, im } = await evaluate(sphere.analyze(x));
    const count = (degree + 1) ** 2;
    const values = Array.from({ length: CHANNELS }, (_, c) => {
      const part = ({ data }: Tensor) => (data as Float32Array).subarray(c * count, (c + 1) * count);
      const coefficients = { re: part(re), im: part(im) };
      return Array.from(
        rotatedField(coefficients, { degree, colatitudes: sphere.colatitudes, longitudes }, [0.8, 1.1, -2]),
      );
    });
    return tensor(Float32Array.from(values.flat()), { shape });
  };
  const params = await evaluate(layer.init(key(seed)));
  // What it makes of a field may lie beyond the degree, as a plane layer's does: that part is left out of the comparison.
  const apply = compile((p: Tree, x: Tensor) => sphere.synthesize(sphere.analyze(layer.apply(p, x))));
  const x = await evaluate(sphere.synthesize(sphere.analyze(normal(key(seed + 100), shape))));
  const [made, ofTurned] = [await apply(params, x), await apply(params, await turned(x))];
  return apart(ofTurned.data as Float32Array, (await turned(made)).data as Float32Array);
}

/** The same for a trained operator and a turn about the axis by some points, on states of a flow. */
export async function axisError({ params, predict }: TrainedOperator, states: Fields, points = 5): Promise<number> {
  const columns = states.shape.at(-1) as number;
  const turned = (values: Float32Array, by: number): Float32Array =>
    values.map((_, i) => values[i - (i % columns) + (((i % columns) + columns - by) % columns)] as number);
  const apply = compile((p: Tree, x: Tensor) => predict(p, x));
  const of = async (data: Float32Array) =>
    (await apply(params, tensor(data, { shape: states.shape }))).data as Float32Array;
  const straight = await of(states.data);
  return apart(turned(await of(turned(states.data, points)), -points), straight);
}
