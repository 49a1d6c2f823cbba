/** Paper 10: Fourier neural operators on the sphere, by spherical harmonics in place of plane waves. */
import { key } from "../array/index.ts";
import { type NeuralOperatorOptions, neuralOperator } from "../models/index.ts";
import { parameterCount, spectralConv, sphericalConv } from "../nn/index.ts";
import { exactly, type Measurement, measured, paper, type Scale } from "../report/index.ts";
import {
  compareOperators,
  type FieldPairs,
  firstTimes,
  freeRollout,
  matchBudget,
  type OperatorArm,
  type OperatorOutcome,
  type OperatorTrained,
  operatorErrors,
  rolloutLoss,
  rowErrors,
  someFields,
  somePairs,
  successivePairs,
} from "../train/index.ts";
import { axisError, massDrift, rotationError, scaledFlows, steadyDrift, waveEnergy } from "./sphere-flows.ts";
import {
  at,
  boundedSteps,
  type Compared,
  type Further,
  GRID,
  pictureSteps,
  pictures,
  plots,
  polar,
  polarError,
  type Setting,
  tables,
} from "./spherical-comparison.ts";

const settings: Readonly<Record<Scale, Setting>> = {
  smoke: {
    degree: 10,
    latitudes: 16,
    times: 5,
    training: 2,
    validation: 1,
    test: 1,
    width: 4,
    layers: 2,
    ahead: 2,
    steps: 6,
    batch: 4,
    rates: [8e-3],
    rollout: 4,
    long: 8,
  },
  small: {
    degree: 21,
    latitudes: 32,
    times: 49,
    training: 12,
    validation: 1,
    test: 2,
    width: 16,
    layers: 3,
    ahead: 1,
    steps: 480,
    batch: 8,
    rates: [4e-3, 1.2e-2, 3.6e-2],
    rollout: 200,
    long: 1460,
  },
  full: {
    degree: 42,
    latitudes: 64,
    times: 97,
    training: 64,
    validation: 4,
    test: 8,
    width: 64,
    layers: 4,
    ahead: 2,
    steps: 20_000,
    batch: 16,
    rates: [1e-3, 2e-3, 4e-3],
    rollout: 200,
    long: 1460,
  },
};

/** Every arm is told the same: three channels and the latitude. */
function armsOf({ degree, width, layers }: Setting) {
  const model = (options: Pick<NeuralOperatorOptions, "modes" | "spherical">, wide = width) => ({
    layer: neuralOperator({ inputs: 3, outputs: 3, layers, width: wide, coordinates: GRID, ...options }),
  });
  const trained = ({ layer }: OperatorArm): OperatorArm => ({
    layer,
    loss: rolloutLoss(layer.apply, { sphere: GRID }),
  });
  const parameters = ({ layer }: OperatorArm): number => parameterCount(layer.init(key(0)));
  const sphere = model({ spherical: { degree, grid: GRID } });
  // As many frequencies along each axis as there are degrees: along the meridians half of them are negative.
  const modes = [Math.ceil((degree + 1) / 2), degree + 1] as const;
  // With all of them, as many parameters would leave two or three channels.
  const fewer = [Math.ceil(modes[0] / 2), Math.ceil(modes[1] / 2)] as const;
  const { value } = matchBudget({
    target: parameters(sphere),
    count: (wide) => parameters(model({ modes: fewer }, wide)),
    within: 0.4,
  });
  return {
    "spherical FNO": trained(sphere),
    "spherical FNO, real weights": trained(model({ spherical: { degree, grid: GRID, weights: "real" } })),
    "plane FNO": trained(model({ modes })),
    "plane FNO, as many parameters": trained(model({ modes: fewer }, value)),
  } satisfies Record<string, OperatorArm>;
}

const ratio = (a: readonly number[], b: readonly number[]): Measurement =>
  measured(a.map((v, i) => v / (b[i] as number)));

export default paper({
  number: 10,
  slug: "spherical-fno",
  title: "Spherical Fourier Neural Operators: Learning Stable Dynamics on the Sphere",
  year: 2023,
  source: "Bonev, Kurth, Hundt, Pathak, Baust, Kashinath, Anandkumar; arXiv:2306.03838",
  abstract:
    "A Fourier neural operator takes the globe for a torus: it wraps around the poles, and its points there are crowded. Here its transforms are spherical harmonic transforms, and its weights depend on the degree alone, so that the convolution respects rotations of the sphere. Trained on the weather, such an operator stays stable over 1,460 steps of six hours, a year, without artefacts at the poles.",
  claims: {
    steady: {
      what: "drift of a flow in balance over one day in the simulation",
      figure: 0.1,
      unit: "%",
      direction: "atMost",
      where: "Williamson's second test; our bound",
    },
    mass: {
      what: "change of the mass of a flow over one day in the simulation, as a share",
      figure: 1e-6,
      unit: "",
      direction: "atMost",
      where: "the equations keep it; our bound",
    },
    rotation: {
      what: "difference under a rotation about a tilted axis, spherical convolution with real weights",
      figure: 1e-5,
      unit: "",
      direction: "atMost",
      where: "abstract: equivariance; convolution theorem, in float32",
    },
    published: {
      what: "the same with complex weights, as in the published code",
      figure: 1e-5,
      unit: "",
      direction: "atMost",
      where: "abstract: equivariance",
    },
    plane: {
      what: "the same of a plane spectral convolution",
      figure: 0.1,
      unit: "",
      direction: "atLeast",
      where: "the paper's contrast; our bound",
    },
    axis: {
      what: "difference of the trained spherical operator under a turn about the axis",
      figure: 1e-4,
      unit: "",
      direction: "atMost",
      where: "zonal equivariance, in float32; our bound",
    },
    step: {
      what: "error of the plane operator an hour ahead over that of the spherical one, as many channels and frequencies",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "table of shallow-water results",
    },
    parameters: {
      what: "the same for a plane operator with as many parameters",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our control",
    },
    mirror: {
      what: "error of the spherical operator with real weights over that with complex ones",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our control: real weights cannot tell east from west",
    },
    poles: {
      what: "error of the plane operator beyond 70 degrees of latitude over that of the spherical one",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: no artefacts at the poles",
    },
    rollout: {
      what: "error of the plane operator after 10 steps of a rollout over that of the spherical one",
      figure: 1.5,
      unit: "x",
      direction: "atLeast",
      where: "the paper's rollouts; our bound",
    },
    finer: {
      what: "error of the spherical operator on a grid twice as fine over that on the grid of training",
      figure: 1.1,
      unit: "x",
      direction: "atMost",
      where: "operators serve any grid; our bound",
    },
    year: {
      what: "steps of a rollout of the spherical operator with less than twice the energy of the start",
      figure: 1460,
      unit: "steps",
      direction: "atLeast",
      where: "abstract: stable for a year, 365 days of 4 steps; ours are of an hour",
    },
    planeYear: {
      what: "the same of the plane operator",
      figure: 1459,
      unit: "steps",
      direction: "atMost",
      where: "the paper's contrast: it becomes unstable",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  next: ["show local-neural-operators", "run local-neural-operators --scale small"],
  async run(context) {
    const setting = settings[context.scale];
    const { degree, latitudes, times, training, validation, rollout, long } = setting;
    const grid = { degree, latitudes };
    const known = training + validation;
    const { learned, states, fine, sizes } = await scaledFlows(setting, context);
    const [own, finer] = [`${latitudes} x ${2 * latitudes}`, `${2 * latitudes} x ${4 * latitudes}`] as const;
    const tests = {
      [own]: successivePairs(firstTimes(states, Math.min(times, rollout + 1))),
      [finer]: successivePairs(fine),
    };
    const main = tests[own] as FieldPairs;
    const few = somePairs(main, 0, Math.min(8, rollout));
    const energy = waveEnergy(grid, sizes);
    const further = async (trained: OperatorTrained): Promise<Further> => {
      const keep = pictureSteps(setting);
      const start = someFields(main.inputs, 0, 1);
      const { signal } = context;
      const { measures, kept } = await freeRollout(trained, start, { steps: long, measure: energy, keep, signal });
      return {
        energy: measures.map((e) => e / (measures[0] as number)),
        kept,
        rows: await rowErrors(trained, few),
        axis: await axisError(trained, few.inputs),
      };
    };
    const compared: Compared = await compareOperators(context, {
      arms: armsOf(setting),
      data: {
        training: successivePairs(someFields(learned, 0, training), { ahead: setting.ahead }),
        validation: successivePairs(someFields(learned, training, known)),
        tests,
        trajectories: states,
        sphere: GRID,
      },
      budget: setting,
      further,
    });
    tables(context, compared, setting, [own, finer]);
    plots(context, compared, setting);
    pictures(context, compared, setting, states, sizes);
    context.note(
      "Complex weights turn every wave along the circles by a quarter, which no rotation about another axis respects; a convolution with a kernel has real weights. But an operator of real weights gives the mirror image of a flow the mirror image of its result, east and west exchanged, whereas on a planet that rotates vortices drift to the west. Plane operators, told the latitude alone, respect turns about the axis as well.",
    );
    const arm = (name: keyof ReturnType<typeof armsOf>) => compared[name] as NonNullable<Compared[string]>;
    const [sphere, real, plane, small] = [
      arm("spherical FNO"),
      arm("spherical FNO, real weights"),
      arm("plane FNO"),
      arm("plane FNO, as many parameters"),
    ];
    const errors = (one: typeof sphere, on: string = own) => operatorErrors(one, on);
    const each = (one: typeof sphere, fn: (outcome: OperatorOutcome<Further>) => number) => one.outcomes.map(fn);
    const nearPoles = (one: typeof sphere) => each(one, (outcome) => polarError(outcome.further, polar(latitudes)));
    const ahead = (one: typeof sphere) => each(one, (outcome) => at(outcome.rollout, Math.min(10, rollout)));
    const steps = (one: typeof sphere) => measured(each(one, (outcome) => boundedSteps(outcome.further)));
    const both = { inputs: 3, outputs: 3 };
    const turned = (layer: OperatorArm["layer"], seed: number) => rotationError(layer, grid, seed);
    return {
      steady: exactly(steadyDrift(degree)),
      mass: exactly(massDrift(degree)),
      rotation: exactly(await turned(sphericalConv({ ...both, degree, weights: "real" }) as never, 0)),
      published: measured(await context.overSeeds((seed) => turned(sphericalConv({ ...both, degree }) as never, seed))),
      plane: exactly(await turned(spectralConv({ ...both, modes: [Math.ceil(degree / 2), degree] }) as never, 0)),
      axis: measured(each(sphere, ({ further: { axis } }) => axis)),
      step: ratio(errors(plane), errors(sphere)),
      parameters: ratio(errors(small), errors(sphere)),
      mirror: ratio(errors(real), errors(sphere)),
      poles: ratio(nearPoles(plane), nearPoles(sphere)),
      rollout: ratio(ahead(plane), ahead(sphere)),
      finer: ratio(errors(sphere, finer), errors(sphere)),
      year: steps(sphere),
      planeYear: steps(plane),
    };
  },
});
