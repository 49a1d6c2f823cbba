/** Paper 22: operators learned on the spectrum of a field, with one transform for the whole network. */
import { compile, evaluate, key, normal, pad, type Tensor, tensor } from "../array/index.ts";
import { navierStokes2d, periodicField2d, shiftedField2d } from "../data/index.ts";
import { neuralOperator, type TransformOnce, transformOnce } from "../models/index.ts";
import {
  parameterCount,
  type SpectralInit,
  spectralChannelMix,
  spectralDeviation,
  transformOnceLayer,
} from "../nn/index.ts";
import { average, exactly, type Measurement, measured, paper, type Scale, type StudyContext } from "../report/index.ts";
import { dct, idct } from "../spectral/index.ts";
import {
  coarsen,
  compareOperators,
  type FieldPairs,
  fieldFigures,
  matchBudget,
  type OperatorArm,
  type OperatorBudget,
  operatorErrors,
  operatorTimes,
  relativeError,
  simulated,
  somePairs,
} from "../train/index.ts";

interface Setting extends OperatorBudget {
  /** Points along each axis of the simulation; training sees every second one. */
  readonly size: number;
  /** Time between input and output, and steps of the simulation in it. */
  readonly time: number;
  readonly simulationSteps: number;
  readonly training: number;
  readonly validation: number;
  readonly test: number;
  readonly width: number;
  /** Frequencies of the cosine transform along each axis; half as many Fourier modes reach as far. */
  readonly modes: number;
  readonly layers: number;
  /** Grids on which steps are timed. */
  readonly timed: readonly number[];
  readonly calls: number;
}

const settings: Readonly<Record<Scale, Setting>> = {
  smoke: {
    size: 32,
    time: 1,
    simulationSteps: 4,
    training: 8,
    validation: 4,
    test: 4,
    width: 4,
    modes: 8,
    layers: 2,
    steps: 9,
    batch: 4,
    rates: [8e-3],
    timed: [16, 32],
    calls: 2,
  },
  small: {
    size: 64,
    time: 10,
    simulationSteps: 40,
    training: 300,
    validation: 40,
    test: 40,
    width: 16,
    modes: 16,
    layers: 4,
    steps: 800,
    batch: 16,
    rates: [2e-3, 6e-3, 18e-3, 54e-3],
    timed: [32, 64, 128],
    calls: 3,
  },
  full: {
    size: 128,
    time: 50,
    simulationSteps: 200,
    training: 1000,
    validation: 100,
    test: 200,
    width: 48,
    modes: 24,
    layers: 8,
    steps: 8000,
    batch: 64,
    rates: [5e-4, 1e-3, 2e-3],
    timed: [64, 128, 256],
    calls: 5,
  },
};

/**
 * Flows that a steady force drives from random vorticity: pairs of the vorticity at time 0 and at the end, on the centres of
 * the simulation's cells, and on those of cells twice as large.
 */
async function flows(
  setting: Setting,
  context: StudyContext,
): Promise<{ readonly [K in "fine" | "coarse"]: FieldPairs }> {
  const { size, time, simulationSteps, training, validation, test } = setting;
  const force = Float64Array.from({ length: size ** 2 }, (_, i) => {
    const phase = (2 * Math.PI * ((i % size) + Math.floor(i / size))) / size;
    return 0.1 * (Math.sin(phase) + Math.cos(phase));
  });
  const flow = { viscosity: 1e-3, alpha: 2.5, tau: 7, seed: 22 };
  const solver = navierStokes2d({ size, viscosity: flow.viscosity, forcing: force });
  // A centre of a large cell is a point of the simulation, one of a small cell lies between points.
  const large = (field: Float64Array): Float32Array =>
    coarsen({ shape: [1, 1, size, size], data: Float32Array.from(shiftedField2d(field, size, 1)) }, 2).data;
  const small = (field: Float64Array): Float64Array => shiftedField2d(field, size, 0.5);
  const [fine, coarse] = [
    [1, size, size],
    [1, size / 2, size / 2],
  ] as const;
  const fields = await simulated({
    name: "forced-flow",
    recipe: { ...flow, size, time, simulationSteps, force: "0.1 (sin + cos)(2π(x + y))", lie: "centres" },
    count: training + validation + test,
    shapes: { before: fine, after: fine, coarseBefore: coarse, coarseAfter: coarse },
    make: (index) => {
      const start = periodicField2d({ ...flow, scale: 7 ** 1.5, size, index });
      const end = solver.advance(start, { dt: time / simulationSteps, steps: simulationSteps });
      return { before: small(start), after: small(end), coarseBefore: large(start), coarseAfter: large(end) };
    },
    signal: context.signal,
    onProgress: (done, total) => context.progress({ stage: "simulating flows", done, total, unit: "flows" }),
  });
  return {
    fine: { inputs: fields.before, outputs: fields.after },
    coarse: { inputs: fields.coarseBefore, outputs: fields.coarseAfter },
  };
}

/** A model whose training stays on the spectrum: frequencies that it lacks count as wrong. */
function spectralArm(model: TransformOnce, modes: number): OperatorArm {
  return {
    layer: model,
    target: (y) => model.toSpectrum(y),
    loss: (params, x, target) => {
      const rest = (target.shape[2] as number) - modes;
      const spectrum = pad(model.apply(params as never, x), { before: [0, 0, 0, 0], after: [0, 0, rest, rest] });
      return relativeError(spectrum, target);
    },
    predict: (params, x) => model.toField(model.apply(params as never, x), x.shape[2] as number),
  };
}

function armsOf({ size, width, modes, layers }: Setting) {
  const functions = { inputs: 1, outputs: 1, layers, hidden: 128 };
  const once = (init: SpectralInit) =>
    spectralArm(transformOnce({ ...functions, width, modes: [modes, modes], size: size / 2, init }), modes);
  const fourier = (wide: number) =>
    neuralOperator({ ...functions, width: wide, modes: [modes / 2, modes / 2], coordinates: "centres" });
  const parameters = ({ layer }: OperatorArm) => parameterCount(layer.init(key(0)));
  const { value } = matchBudget({
    target: parameters(once("variancePreserving")),
    count: (wide) => parameters({ layer: fourier(wide) }),
    within: 0.15,
  });
  return {
    FNO: { layer: fourier(value) },
    "Transform Once": once("variancePreserving"),
    "Transform Once, naive start": once("naive"),
  } satisfies Record<string, OperatorArm>;
}

/** Deviation of fields after the first mix of channels over that before, for random fields and new weights. */
async function keptDeviation(init: SpectralInit, seed: number): Promise<number> {
  const [size, modes, width] = [32, 8, 16];
  const std = spectralDeviation(init, { width, modes: modes ** 2, points: size ** 2 });
  const ratio = compile((x: Tensor, weight: Tensor) => {
    const spectrum = dct(dct(x, { frequencies: modes }), { axis: -2, frequencies: modes });
    const field = idct(idct(spectralChannelMix(spectrum, weight), { length: size }), { axis: -2, length: size });
    return { mixed: field, x };
  });
  const x = normal(key(seed), [16, width, size, size]);
  const { mixed } = await ratio(x, normal(key(seed + 1000), [modes ** 2, width, width], { std }));
  const power = (t: Tensor): number => (t.data as Float32Array).reduce((total, v) => total + v * v, 0);
  return Math.sqrt(power(mixed) / power(await evaluate(x)));
}

/** Relative error that is left if only the kept frequencies of the wanted fields are right. */
async function truncationError({ outputs: { shape, data } }: FieldPairs, modes: number): Promise<number> {
  const n = shape.at(-1) as number;
  const error = compile((field: Tensor) => {
    const low = dct(dct(field, { frequencies: modes }), { axis: -2, frequencies: modes });
    return relativeError(idct(idct(low, { length: n }), { axis: -2, length: n }), field);
  });
  return Number((await error(tensor(data, { shape }))).data[0]);
}

/** Largest difference of a relative error between fields and their spectra. */
async function spectralDifference(): Promise<number> {
  const compare = compile((a: Tensor, b: Tensor) => {
    const spectrum = (x: Tensor) => dct(dct(x), { axis: -2 });
    return {
      field: relativeError(a, b, { reduction: "none" }),
      spectrum: relativeError(spectrum(a), spectrum(b), { reduction: "none" }),
    };
  });
  const { field, spectrum } = await compare(normal(key(1), [8, 2, 24, 20]), normal(key(2), [8, 2, 24, 20]));
  return Math.max(...Array.from(field.data as Float32Array, (v, i) => Math.abs(v - Number(spectrum.data[i]))));
}

/** Times of a training step on grids of several sizes: what the operators compute there is of no interest. */
async function stepTimes(setting: Setting, context: StudyContext) {
  const { timed, batch, calls } = setting;
  const times: { readonly size: number; readonly FNO: readonly number[]; readonly once: readonly number[] }[] = [];
  for (const [done, size] of timed.entries()) {
    context.progress({ stage: "timing steps", done, total: timed.length, unit: "grids" });
    const shape = [batch, 1, size, size];
    const fields = { shape, data: (await evaluate(normal(key(size), shape))).data as Float32Array };
    const { FNO, "Transform Once": once } = armsOf({ ...setting, size: 2 * size });
    const measured = await context.remember(`times on ${size}`, () =>
      operatorTimes({ FNO, once }, { inputs: fields, outputs: fields }, { batch, calls, signal: context.signal }),
    );
    times.push({ size, ...measured });
  }
  return times;
}

const ratios = (a: readonly number[], b: readonly number[]): number[] => a.map((v, i) => v / (b[i] as number));

function draw(
  { figure }: StudyContext,
  compared: Awaited<ReturnType<typeof compareOperators>>,
  tests: readonly string[],
): void {
  figure({
    kind: "table",
    title: "Relative errors on test flows",
    caption: "Each with as many parameters, the same pairs, steps and search of learning rates.",
    columns: ["operator", "parameters", "learning rate", ...tests.map((test) => `L2, ${test}`), "H1", "H-1"],
    rows: Object.entries(compared).map(([name, arm]) => [
      name,
      arm.outcomes[0]?.parameters ?? 0,
      arm.rate,
      ...tests.map((test) =>
        operatorErrors(arm, test)
          .map((v) => v.toFixed(4))
          .join(", "),
      ),
      average(arm.outcomes.map(({ sobolev }) => sobolev.slope)).toFixed(4),
      average(arm.outcomes.map(({ sobolev }) => sobolev.large)).toFixed(4),
    ]),
  });
}

export default paper({
  number: 22,
  slug: "transform-once",
  title: "Transform Once: Efficient Operator Learning in Frequency Domain",
  year: 2022,
  source: "Poli, Massaroli, Berto, Park, Dao, Ré, Ermon; arXiv:2211.14453",
  abstract:
    "Fourier neural operators transform to frequencies and back in every layer. Here a field is transformed once, by a cosine transform with real values, all layers work on its lowest frequencies, and the result is held against the transformed target, so that training needs no way back. Weights begin with a variance that makes up for the frequencies that are cut. Training is several times faster, the more so on fine grids, and errors are lower.",
  claims: {
    layer: {
      what: "parameters of a layer of width 48 with 24 x 24 modes",
      figure: 1_382_400,
      unit: "",
      direction: "equals",
      where: "definition of the layer, from the published code",
    },
    parseval: {
      what: "largest difference of a relative error between fields and their cosine spectra",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "the transform is orthonormal",
    },
    variance: {
      what: "deviation of random fields after a new mix of channels over that before",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "the start preserves variance",
    },
    naive: {
      what: "the same with weights of 1/width²",
      figure: 0.1,
      unit: "",
      direction: "atMost",
      where: "the paper's contrast: the signal vanishes; 0.1 is our bound",
    },
    speed: {
      what: "time of a training step of a Fourier operator over that of Transform Once, as many parameters, 64 x 64 points",
      figure: 3,
      unit: "x",
      direction: "atLeast",
      where: "abstract: 3x to 10x",
    },
    growth: {
      what: "the same ratio on the finest grid over that on the coarsest, 4 times finer",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: speed-ups grow with resolution",
    },
    error: {
      what: "test error of Transform Once against that of a Fourier operator, flows on the grid of training",
      figure: -20,
      unit: "%",
      direction: "atMost",
      where: "abstract: over 20 % lower on average",
    },
    finer: {
      what: "test error of Transform Once on a grid twice as fine over that on the grid of training",
      figure: 1.1,
      unit: "x",
      direction: "atMost",
      where: "our bound, with spectra rescaled",
    },
    start: {
      what: "test error with the variance preserving start against that with the naive one",
      figure: 0,
      unit: "%",
      direction: "atMost",
      where: "section on initialization",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  next: ["show local-neural-operators", "run local-neural-operators --scale small"],
  async run(context) {
    const setting = settings[context.scale];
    const { size, modes, training, validation, test } = setting;
    const { fine, coarse } = await flows(setting, context);
    const [held, end] = [training + validation, training + validation + test];
    const [grid, finer] = [`${size / 2} x ${size / 2}`, `${size} x ${size}`] as const;
    const tests = { [grid]: somePairs(coarse, held, end), [finer]: somePairs(fine, held, end) };
    const compared = await compareOperators(context, {
      arms: armsOf(setting),
      data: { training: somePairs(coarse, 0, training), validation: somePairs(coarse, training, held), tests },
      budget: setting,
    });
    const times = await stepTimes(setting, context);
    draw(context, compared, [grid, finer]);
    for (const figure of fieldFigures({
      compared,
      test: grid,
      pairs: tests[grid] as FieldPairs,
      quantity: "vorticity",
    }))
      context.figure(figure);
    context.figure({
      kind: "lines",
      title: "Time of a training step",
      caption: `Loss and gradients on ${setting.batch} fields, medians of interleaved rounds.`,
      x: { label: "points along an axis", log: true },
      y: { label: "milliseconds", log: true },
      series: (["FNO", "once"] as const).map((name) => ({
        name: name === "once" ? "Transform Once" : name,
        points: times.map((row) => ({ x: row.size, y: average(row[name]) })),
      })),
    });
    const floor = await truncationError(tests[grid] as FieldPairs, modes);
    context.note(
      `Transform Once gives the lowest ${modes} x ${modes} cosine frequencies and nothing else: with these exactly right the error on ${grid} would still be ${floor.toPrecision(2)}. The flows are periodic, and the even continuation of the cosine transform has kinks at their borders, so its spectrum falls slowly there; a Fourier operator has no such floor.`,
    );
    const errors = (name: keyof typeof compared, on: string): readonly number[] =>
      operatorErrors(compared[name] as NonNullable<(typeof compared)[string]>, on);
    const change = (a: readonly number[], b: readonly number[]): Measurement =>
      measured(ratios(a, b).map((ratio) => 100 * (ratio - 1)));
    const speedAt = (row: (typeof times)[number] | undefined): number[] => (row ? ratios(row.FNO, row.once) : []);
    const main = times.find((row) => row.size === 64) ?? times.at(-1);
    const once = errors("Transform Once", grid);
    return {
      layer: exactly(parameterCount(transformOnceLayer({ width: 48, modes: [24, 24], points: 64 ** 2 }).init(key(0)))),
      parseval: exactly(await spectralDifference()),
      variance: measured(await context.overSeeds((seed) => keptDeviation("variancePreserving", seed))),
      naive: measured(await context.overSeeds((seed) => keptDeviation("naive", seed))),
      speed: measured(speedAt(main)),
      growth: measured(ratios(speedAt(times.at(-1)), speedAt(times[0]))),
      error: change(once, errors("FNO", grid)),
      finer: measured(ratios(errors("Transform Once", finer), once)),
      start: change(once, errors("Transform Once, naive start", grid)),
    };
  },
});
