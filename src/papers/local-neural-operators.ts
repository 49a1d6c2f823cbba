/** Paper 61: small integral and differential kernels beside the global ones of a Fourier neural operator. */
import { compile, evaluate, key, ones, tensor } from "../array/index.ts";
import { navierStokes2d, periodicField2d } from "../data/index.ts";
import { fieldUnet, type NeuralOperatorOptions, neuralOperator } from "../models/index.ts";
import { finiteDifferenceConvolution, localIntegral, parameterCount } from "../nn/index.ts";
import {
  average,
  exactly,
  fitPowerLaw,
  type Measurement,
  measured,
  paper,
  type Scale,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import {
  coarsen,
  compareOperators,
  type Fields,
  fieldDeviation,
  fieldFigures,
  firstTimes,
  matchBudget,
  type OperatorArm,
  type OperatorBudget,
  operatorErrors,
  scaleFields,
  simulated,
  someFields,
  somePairs,
  successivePairs,
} from "../train/index.ts";
import { compareOnSphere, reduction } from "./local-sphere.ts";

interface Setting extends OperatorBudget {
  /** Points along each axis of the simulation; training sees every second one. */
  readonly size: number;
  /** States of a trajectory, half a unit of time apart. */
  readonly times: number;
  /** Trajectories. */
  readonly training: number;
  readonly validation: number;
  readonly test: number;
  /** Units of time before the first state. */
  readonly start: number;
  readonly width: number;
  readonly modes: number;
  readonly layers: number;
  /** Steps of a rollout. */
  readonly rollout: number;
}

const settings: Readonly<Record<Scale, Setting>> = {
  smoke: {
    size: 32,
    times: 4,
    training: 3,
    validation: 1,
    test: 1,
    start: 1,
    width: 4,
    modes: 4,
    layers: 2,
    steps: 6,
    batch: 4,
    rates: [8e-3],
    rollout: 2,
  },
  small: {
    size: 64,
    times: 33,
    training: 10,
    validation: 1,
    test: 2,
    start: 15,
    width: 16,
    modes: 8,
    layers: 3,
    steps: 360,
    batch: 8,
    rates: [5e-3, 1.5e-2, 4.5e-2],
    rollout: 8,
  },
  full: {
    size: 256,
    times: 65,
    training: 40,
    validation: 4,
    test: 8,
    start: 20,
    width: 64,
    modes: 24,
    layers: 4,
    steps: 20_000,
    batch: 16,
    rates: [5e-4, 1e-3, 2e-3],
    rollout: 32,
  },
};

/** Time between two states, and steps of the simulation in it. */
const LAG = { time: 0.5, steps: 16 } as const;

/** Vorticity of flows that a steady shear force stirs and friction on the ground slows, after they have become irregular. */
async function flows({ size, times, start, ...counts }: Setting, context: StudyContext): Promise<Fields> {
  const flow = { viscosity: 0.01, drag: 0.1, length: 2 * Math.PI };
  const forcing = Float64Array.from({ length: size ** 2 }, (_, i) => {
    return -4 * Math.cos((8 * Math.PI * Math.floor(i / size)) / size);
  });
  const solver = navierStokes2d({ size, forcing, ...flow });
  // Finer grids need shorter steps.
  const finer = Math.max(1, size / 64);
  const dt = LAG.time / (LAG.steps * finer);
  const { vorticity } = await simulated({
    name: "stirred-flow",
    recipe: { ...flow, force: "-4 cos(4y)", alpha: 2.5, tau: 20, seed: 61, size, times, start, dt, lag: LAG.time },
    count: counts.training + counts.validation + counts.test,
    shapes: { vorticity: [times, 1, size, size] },
    make: (index) => {
      const states = new Float32Array(times * size ** 2);
      let state = periodicField2d({ alpha: 2.5, tau: 20, scale: 2 * 20 ** 1.5, size, seed: 61, index });
      state = solver.advance(state, { dt, steps: Math.round(start / dt) });
      for (let time = 0; time < times; time++) {
        states.set(state, time * size ** 2);
        if (time < times - 1) state = solver.advance(state, { dt, steps: LAG.steps * finer });
      }
      return { vorticity: states };
    },
    signal: context.signal,
    onProgress: (done, total) => context.progress({ stage: "simulating flows", done, total, unit: "flows" }),
  });
  return scaleFields(vorticity, 1 / fieldDeviation(vorticity));
}

/** The operators that are compared; the spacing of the grid of training counts as 1. */
function armsOf({ size, width, modes, layers }: Setting) {
  const points = size / 2;
  const model = (
    options: Pick<NeuralOperatorOptions, "modes" | "differential" | "integral" | "pixels">,
    wide = width,
  ) => neuralOperator({ inputs: 1, outputs: 1, layers, width: wide, ...options });
  const global = { modes: [modes, modes] } as const;
  const differential = { size: points };
  const integral = { radius: 1.5 / points };
  const parameters = (arm: OperatorArm["layer"]): number => parameterCount(arm.init(key(0)));
  const both = model({ ...global, differential, integral });
  const unet = (wide: number) => fieldUnet({ inputs: 1, outputs: 1, width: wide });
  const asBoth = (make: (wide: number) => OperatorArm["layer"]) =>
    make(matchBudget({ target: parameters(both), count: (wide) => parameters(make(wide)), within: 0.25 }).value);
  return {
    FNO: { layer: model(global) },
    "with differential kernels": { layer: model({ ...global, differential }) },
    "with integral kernels": { layer: model({ ...global, integral }) },
    "with both": { layer: both },
    "FNO, as many parameters as both": { layer: asBoth((wide) => model(global, wide)) },
    "U-Net, as many parameters as both": { layer: asBoth(unet) },
    "ordinary convolutions": { layer: model({ pixels: 3 }) },
  } satisfies Record<string, OperatorArm>;
}

/** Order at which `(x₊ - x₋)/2h` of a sine approaches its derivative. */
async function differenceOrder(): Promise<number> {
  const layer = finiteDifferenceConvolution({ inputs: 1, outputs: 1, dimensions: 1, size: 1 });
  const weight = tensor(Float64Array.of(-0.5, 0, 0.5), { shape: [1, 1, 3] });
  const points: { x: number; y: number }[] = [];
  for (const n of [32, 64, 128, 256]) {
    const angle = (i: number): number => (2 * Math.PI * i) / n;
    const wave = tensor(
      Float64Array.from({ length: n }, (_, i) => Math.sin(angle(i))),
      { shape: [1, 1, n] },
    );
    const slope = (await evaluate(layer.apply({ weight }, wave))).data as Float64Array;
    const errors = slope.map((v, i) => Math.abs(v - 2 * Math.PI * Math.cos(angle(i))));
    points.push({ x: 1 / n, y: Math.max(...errors) });
  }
  return fitPowerLaw(points).exponent;
}

/** Largest value that a new differential layer makes of a constant. */
async function ofConstant(): Promise<number> {
  const layer = finiteDifferenceConvolution({ inputs: 4, outputs: 4, dimensions: 2, size: 32 });
  const y = await compile(layer.apply)(await evaluate(layer.init(key(61))), await evaluate(ones([1, 4, 32, 32])));
  return Math.max(...Array.from(y.data as Float32Array, Math.abs));
}

/** Relative difference in % of what a new integral layer makes of one smooth field on 64 x 64 and on 128 x 128 points. */
async function integralDifference(): Promise<number> {
  const layer = localIntegral({ inputs: 1, outputs: 1, radius: 0.1 });
  const params = await evaluate(layer.init(key(61)));
  const field = (n: number): Fields => ({
    shape: [1, 1, n, n],
    data: Float32Array.from({ length: n * n }, (_, i) => {
      const [x, y] = [(2 * Math.PI * (i % n)) / n, (2 * Math.PI * Math.floor(i / n)) / n];
      return Math.sin(x + 2 * y) + Math.cos(3 * x);
    }),
  });
  const apply = compile(layer.apply);
  const made = async (n: number): Promise<Fields> => {
    const { shape, data } = field(n);
    return { shape, data: (await apply(params, tensor(data, { shape }))).data as Float32Array };
  };
  const [coarse, fine] = [(await made(64)).data, coarsen(await made(128), 2).data];
  const power = (values: Float32Array): number => values.reduce((total, v) => total + v * v, 0);
  return 100 * Math.sqrt(power(coarse.map((v, i) => v - (fine[i] as number))) / power(coarse));
}

type Compared = Awaited<ReturnType<typeof compareOperators>>;

function draw({ figure }: StudyContext, compared: Compared, [grid, finer]: readonly [string, string]): void {
  const list = (values: readonly number[]): string => values.map((v) => v.toFixed(4)).join(", ");
  figure({
    kind: "table",
    title: "Relative errors of the next state on test flows",
    caption: `Trained on ${grid} points, all with the same pairs, steps and search of learning rates; one number for each seed.`,
    columns: ["operator", "parameters", "learning rate", `L2 on ${grid}`, `L2 on ${finer}`, "H1", "H-1"],
    rows: Object.entries(compared).map(([name, arm]) => [
      name,
      arm.outcomes[0]?.parameters ?? 0,
      arm.rate,
      list(operatorErrors(arm, grid)),
      list(operatorErrors(arm, finer)),
      average(arm.outcomes.map(({ sobolev }) => sobolev.slope)).toFixed(4),
      average(arm.outcomes.map(({ sobolev }) => sobolev.large)).toFixed(4),
    ]),
  });
  figure({
    kind: "lines",
    title: "Errors of rollouts",
    caption: `Each operator is given the first state of the test flows and then its own results, on ${grid} points.`,
    x: { label: "states ahead" },
    y: { label: "relative L2 error", log: true },
    series: Object.entries(compared).map(([name, { outcomes }]) => ({
      name,
      points: (outcomes[0]?.rollout ?? []).map((_, i) =>
        withStd(
          i + 1,
          outcomes.map(({ rollout }) => Math.min(1e6, rollout[i] as number)),
        ),
      ),
    })),
  });
}

export default paper({
  number: 61,
  slug: "local-neural-operators",
  title: "Neural Operators with Localized Integral and Differential Kernels",
  year: 2024,
  source: "Liu-Schiaffini, Berner, Bonev, Kurth, Azizzadenesheli, Anandkumar; arXiv:2402.16845",
  abstract:
    "A Fourier neural operator sees whole fields and smooths what is small. Two kinds of small kernels are put beside its global ones: convolutions that become derivatives as the grid is refined, and integrals over a small disc whose kernel is a function of distance in the domain, not in pixels. Both serve any grid. On turbulent flows and shallow water on the sphere they lower the error by 34 to 72 %.",
  claims: {
    order: {
      what: "order at which a symmetric differential kernel approaches the derivative of a sine",
      figure: 1.8,
      unit: "",
      direction: "atLeast",
      where: "section 4.1: it converges to a derivative; 2 for a symmetric kernel",
    },
    constant: {
      what: "largest value that a new differential layer makes of a constant field",
      figure: 1e-5,
      unit: "",
      direction: "atMost",
      where: "definition of the layer, in float32",
    },
    integral: {
      what: "difference of what a new integral layer makes of a smooth field on 64 x 64 and on 128 x 128 points",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "section 4.2: the kernel is a function on the domain; 1 % is our bound",
    },
    both: {
      what: "reduction of the test error by both kinds of local kernels beside the Fourier operator's",
      figure: 34,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 34 to 72 %",
    },
    differential: {
      what: "reduction of the test error by differential kernels alone",
      figure: 0,
      unit: "%",
      direction: "atLeast",
      where: "tables: each kind helps",
    },
    integrals: {
      what: "reduction of the test error by integral kernels alone",
      figure: 0,
      unit: "%",
      direction: "atLeast",
      where: "tables: each kind helps",
    },
    parameters: {
      what: "reduction of the test error by both kinds against a Fourier operator with as many parameters",
      figure: 20,
      unit: "%",
      direction: "atLeast",
      where: "our control: is it the kernels or their number; our bound",
    },
    unet: {
      what: "reduction of the test error by both kinds against a U-Net with as many parameters",
      figure: 0,
      unit: "%",
      direction: "atLeast",
      where: "tables: the U-Net is a baseline of the paper",
    },
    rollout: {
      what: "reduction of the error at the end of a rollout by both kinds",
      figure: 0,
      unit: "%",
      direction: "atLeast",
      where: "the paper's rollouts stay more accurate",
    },
    finer: {
      what: "test error with both kinds on a grid twice as fine over that on the grid of training",
      figure: 1.3,
      unit: "x",
      direction: "atMost",
      where: "the layers serve any grid; our bound",
    },
    pixels: {
      what: "the same for ordinary convolutions",
      figure: 2,
      unit: "x",
      direction: "atLeast",
      where: "the paper's contrast: they are tied to their grid; our bound",
    },
    unetFiner: {
      what: "the same for the U-Net",
      figure: 2,
      unit: "x",
      direction: "atLeast",
      where: "the paper's contrast: convolutions of pixels; our bound",
    },
    sphere: {
      what: "reduction of the test error on shallow water on the sphere by integral kernels beside the spherical Fourier operator's",
      figure: 34,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 34 to 72 %",
    },
    sphereParameters: {
      what: "the same against a spherical Fourier operator with as many parameters",
      figure: 0,
      unit: "%",
      direction: "atLeast",
      where: "our control: is it the kernels or their number",
    },
    sphereFiner: {
      what: "test error on the sphere with integral kernels on a grid twice as fine over that on the grid of training",
      figure: 1.3,
      unit: "x",
      direction: "atMost",
      where: "the layers serve any grid; our bound",
    },
    isotropic: {
      what: "difference under a rotation about a tilted axis of a new isotropic integral layer on the sphere, 4 cells wide",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "section 4.2: it commutes with rotations up to quadrature; our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  async run(context) {
    const setting = settings[context.scale];
    const { size, times, training, validation, test, rollout } = setting;
    const fine = await flows(setting, context);
    const rows = { shape: [(fine.shape[0] as number) * times, 1, size, size], data: fine.data };
    const { shape, data } = coarsen(rows, 2);
    const coarse: Fields = { shape: [fine.shape[0] as number, times, ...shape.slice(1)], data };
    const [grid, finer] = [`${size / 2} x ${size / 2}`, `${size} x ${size}`] as const;
    const held = training + validation;
    const pairs = (fields: Fields, from: number, to: number) => successivePairs(someFields(fields, from, to));
    const tests = { [grid]: pairs(coarse, held, held + test), [finer]: pairs(fine, held, held + test) };
    const compared = await compareOperators(context, {
      arms: armsOf(setting),
      data: {
        training: pairs(coarse, 0, training),
        validation: pairs(coarse, training, held),
        tests,
        trajectories: firstTimes(someFields(coarse, held, held + test), rollout + 1),
      },
      budget: setting,
    });
    draw(context, compared, [grid, finer]);
    for (const drawn of [grid, finer] as const) {
      const figures = fieldFigures({
        compared,
        test: drawn,
        pairs: somePairs(tests[drawn] as NonNullable<(typeof tests)[string]>, 0, 1),
        quantity: `vorticity on ${drawn}`,
      });
      for (const figure of figures) context.figure(figure);
    }
    const onSphere = await compareOnSphere(context);
    context.note(
      "Local kernels reach 1.5 cells of the grid of training, and on a finer grid as far in the domain. On the sphere there are integral kernels alone: its grids are not even, so that differences of neighbours are no derivatives. Global kernels have half of the frequencies, or degrees, of the grid of training, or of the flows; with all of them there is less left for local ones to add.",
    );
    const arm = (name: string) => compared[name] as NonNullable<Compared[string]>;
    const errors = (name: string, on: string = grid): readonly number[] => operatorErrors(arm(name), on);
    const ends = (name: string): readonly number[] =>
      arm(name).outcomes.map((outcome) => outcome.rollout.at(-1) as number);
    const growth = (name: string): Measurement =>
      measured(errors(name, finer).map((error, i) => error / (errors(name)[i] as number)));
    return {
      ...onSphere,
      order: exactly(await differenceOrder()),
      constant: exactly(await ofConstant()),
      integral: exactly(await integralDifference()),
      both: reduction(errors("with both"), errors("FNO")),
      differential: reduction(errors("with differential kernels"), errors("FNO")),
      integrals: reduction(errors("with integral kernels"), errors("FNO")),
      parameters: reduction(errors("with both"), errors("FNO, as many parameters as both")),
      rollout: reduction(ends("with both"), ends("FNO")),
      finer: growth("with both"),
      unet: reduction(errors("with both"), errors("U-Net, as many parameters as both")),
      pixels: growth("ordinary convolutions"),
      unetFiner: growth("U-Net, as many parameters as both"),
    };
  },
});
