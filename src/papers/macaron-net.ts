/** Paper 36: a transformer block as a step of a splitting method, and the block that a better method gives. */
import { key } from "../array/index.ts";
import { type DecoderConfig, decoder, type FfnConfig, type Sublayer } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import {
  exactly,
  type Point,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  speedMeasurement,
} from "../report/index.ts";
import {
  attraction,
  convergenceOrder,
  drift,
  type ErrorAtStep,
  euler,
  type Flow,
  integrate,
  lieTrotter,
  linearFlow,
  matrixExponential,
  matrixProduct,
  matrixVector,
  rungeKutta4,
  type SquareMatrix,
  strang,
  type Vector,
} from "../science/index.ts";
import {
  compareLanguageModels,
  gradientTimes,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  matchBudget,
  testLosses,
} from "../train/index.ts";

/** Numbers in ±1 that look irregular and are the same everywhere. */
const irregular = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed + (i + 1) ** 2));
const irregularMatrix = (size: number, seed: number): SquareMatrix =>
  Array.from({ length: size }, (_, i) => irregular(size, seed + 17 * i));

const largest = (x: Vector): number => Math.max(...x.map(Math.abs));
const minus = (x: Vector, y: Vector): Vector => x.map((v, i) => v - (y[i] as number));
const sumOf = (a: SquareMatrix, b: SquareMatrix, step = 1): SquareMatrix =>
  a.map((row, i) => row.map((v, j) => step * (v + (b[i]?.[j] as number))));

/** Errors after unit time with 2^from to 2^to steps. */
const errorsOf = (flow: Flow<Vector>, start: Vector, exact: Vector, [from, to]: readonly [number, number]) =>
  Array.from({ length: to - from + 1 }, (_, i): ErrorAtStep => {
    const steps = 2 ** (from + i);
    return { step: 1 / steps, error: largest(minus(integrate(flow, start, { time: 1, steps }), exact)) };
  });

/** `x' = (A + B)x` with exact flows of both parts. */
function linearProblem() {
  const [a, b] = [irregularMatrix(4, 1), irregularMatrix(4, 2)];
  const start = irregular(4, 3);
  const flows = [linearFlow(a), linearFlow(b)];
  const exact = matrixVector(matrixExponential(sumOf(a, b)), start);
  const octaves = [5, 10] as const;
  // A moves first, so a step is e^{hB}·e^{hA}, which differs from e^{h(A + B)} by h²/2·(BA - AB) first of all.
  const step = 1e-4;
  const error = minus(lieTrotter(flows)(start, step), matrixVector(matrixExponential(sumOf(a, b, step)), start));
  const commutator = minus(matrixVector(matrixProduct(b, a), start), matrixVector(matrixProduct(a, b), start));
  // A matrix commutes with its square.
  const commuting = [linearFlow(a), linearFlow(matrixProduct(a, a))];
  const together = matrixVector(matrixExponential(sumOf(a, matrixProduct(a, a))), start);
  return {
    errors: {
      "Lie-Trotter, matrices": errorsOf(lieTrotter(flows), start, exact, octaves),
      "Strang, matrices": errorsOf(strang(flows), start, exact, octaves),
    },
    commutator: largest(error) / ((step ** 2 / 2) * largest(commutator)),
    commuting: Math.max(
      ...[lieTrotter(commuting), strang(commuting)].map((split) =>
        largest(minus(integrate(split, start, { time: 1, steps: 3 }), together)),
      ),
    ),
  };
}

/** 32 particles in the plane that attract each other as in attention and drift as in a feed-forward layer. */
function particleProblem() {
  const particles = { count: 32, dimension: 2 };
  const start = irregular(64, 5);
  const [f, g] = [attraction(particles), drift(particles, irregularMatrix(2, 6))];
  const whole = (x: Vector) => {
    const other = g(x);
    return f(x).map((v, i) => v + (other[i] as number));
  };
  const exact = rungeKutta4(whole, { substeps: 512 })(start, 1);
  const octaves = [3, 7] as const;
  const accurate = [rungeKutta4(g), rungeKutta4(f)];
  const simple = [euler(g), euler(f)];
  return {
    "Lie-Trotter, particles": errorsOf(lieTrotter(accurate), start, exact, octaves),
    "Strang, particles": errorsOf(strang(accurate), start, exact, octaves),
    "Lie-Trotter, particles, Euler's method": errorsOf(lieTrotter(simple), start, exact, octaves),
    "Strang, particles, Euler's method": errorsOf(strang(simple), start, exact, octaves),
  };
}

/** The plain model of a setting, the Macaron one, and controls with the same weights used otherwise. */
function configsOf({ vocabulary, width, depth, heads, budget }: LanguageSetting) {
  const hidden = 4 * width;
  const attention: Sublayer = { mixer: { kind: "attention", heads } };
  const dense = (units: number): { readonly ffn: FfnConfig } => ({
    ffn: { kind: "dense", hidden: units, activation: "relu" },
  });
  const half: Sublayer = { ...dense(hidden / 2), scale: 0.5 };
  const full: Sublayer = dense(hidden / 2);
  const model = (count: number, ...block: readonly Sublayer[]): DecoderConfig => ({
    vocabulary,
    context: budget.context,
    width,
    blocks: Array.from({ length: count }, () => block),
  });
  const plain = model(depth, attention, dense(hidden));
  const macaron = model(depth, half, attention, half);
  const deeper = matchBudget({
    target: parametersOf(macaron),
    count: (units) => parametersOf(model(depth + 1, attention, dense(units))),
    name: "number of hidden units",
  });
  return {
    plain,
    Macaron: macaron,
    "full steps": model(depth, full, attention, full),
    "both after attention": model(depth, attention, half, half),
    "one block more": model(depth + 1, attention, dense(deeper.value)),
  };
}
type Arm = keyof ReturnType<typeof configsOf>;

const parametersOf = (config: DecoderConfig): number => parameterCount(decoder(config).init(key(0)));

/** The shared setting, with smaller batches for the time that five arms take. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  // Small batches and few steps want high rates: the best of short trials lay between 8e-3 and 16e-3.
  const rates = [6e-3, 12e-3, 24e-3];
  return scale === "small" ? { ...setting, budget: { ...setting.budget, batch: 16, steps: 375, rates } } : setting;
}

async function languageArms(context: StudyContext, setting: LanguageSetting) {
  const configs = configsOf(setting);
  const arms = Object.fromEntries(Object.entries(configs).map(([name, config]) => [name, decoder(config)]));
  const { budget, vocabulary } = setting;
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    const { plain, Macaron } = arms as { readonly [A in Arm]: ReturnType<typeof decoder> };
    const times = await context.remember("times", () =>
      gradientTimes(
        { plain, Macaron },
        { ...budget, vocabulary, calls: context.scale === "smoke" ? 3 : 11, signal: context.signal },
      ),
    );
    return { losses: (arm: Arm) => testLosses(compared, arm), times };
  } finally {
    text.close();
  }
}

function drawErrors({ figure }: StudyContext, errors: { readonly [name: string]: readonly ErrorAtStep[] }): void {
  figure({
    kind: "lines",
    title: "Error of splitting against the step",
    caption:
      "Largest error after unit time. Parts are solved exactly (matrices), or by the Runge-Kutta method unless it says otherwise.",
    x: { label: "step", log: true },
    y: { label: "error", log: true },
    series: Object.entries(errors).map(([name, points]) => ({
      name: `${name}: order ${convergenceOrder(points).order.toFixed(2)}`,
      points: points.map(({ step, error }): Point => ({ x: step, y: error })),
    })),
  });
}

export default paper({
  number: 36,
  slug: "macaron-net",
  title: "Understanding and Improving Transformer From a Multi-Particle Dynamic System Point of View",
  year: 2019,
  source: "Lu, Li, He, Sun, Dong, Qin, Wang, Liu; arXiv:1906.02762",
  abstract:
    "Words are read as particles: attention moves them by what they are to each other, a feed-forward layer each by itself, and a block does one after the other, which is the simplest way to split such an equation. A more accurate way takes half a step of one part, a full step of the other, and half a step of the first. As a block: half a feed-forward layer, attention, half a feed-forward layer, with the same number of weights.",
  claims: {
    parameters: {
      what: "parameters of a Macaron block beyond those of a plain block, over the width",
      figure: 3,
      unit: "",
      direction: "equals",
      where: "definition: a norm and a bias more, for the same weights",
    },
    lie: {
      what: "order of Lie-Trotter splitting, exact flows of two matrices",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "the paper's argument, from the theory of splitting",
    },
    strang: {
      what: "order of Strang splitting, exact flows of two matrices",
      figure: 2,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "the paper's argument, from the theory of splitting",
    },
    commutator: {
      what: "error of one small Lie-Trotter step, over half the commutator times the step squared",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.02,
      where: "theory of splitting",
    },
    commuting: {
      what: "error of both methods where the matrices commute",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-12,
      where: "theory of splitting",
    },
    lieParticles: {
      what: "order of Lie-Trotter splitting for 32 particles, accurate flows",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "the paper's argument, from the theory of splitting",
    },
    strangParticles: {
      what: "order of Strang splitting for 32 particles, accurate flows",
      figure: 2,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "the paper's argument, from the theory of splitting",
    },
    strangEuler: {
      what: "order of Strang splitting for 32 particles, with the Euler steps that residual sums are",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "our caveat: the gain in order needs more than residual sums",
    },
    better: {
      what: "test loss of Macaron less that of the plain model",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "abstract: superior, there on translation and GLUE",
    },
    halves: {
      what: "test loss of Macaron less that of the same blocks with full steps",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: are the halves the reason",
    },
    around: {
      what: "test loss of Macaron less that of blocks with both halves after attention",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: is the place the reason",
    },
    deeper: {
      what: "test loss of Macaron less that of a plain model with one block more and as many parameters",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: are more steps the reason",
    },
    time: {
      what: "time of a training step of Macaron over that of the plain model",
      figure: 1.1,
      unit: "x",
      direction: "atMost",
      where: "our bound: the same products in more pieces",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    const setting = settingOf(context.scale);
    const { errors, commutator, commuting } = linearProblem();
    const particleErrors = particleProblem();
    drawErrors(context, { ...errors, ...particleErrors });
    const order = (points: readonly ErrorAtStep[]) => exactly(convergenceOrder(points).order);
    const { losses, times } = await languageArms(context, setting);
    const { plain, Macaron } = configsOf(setting);
    context.note(
      "Blocks of a trained model are no small steps of one equation: each has weights of its own and a step of 1. What the errors of splitting show and what the test losses show are different findings.",
    );
    const below = (arm: Arm) => pairedMeasurement(losses("Macaron"), losses(arm));
    return {
      parameters: exactly((parametersOf(Macaron) - parametersOf(plain)) / (setting.depth * setting.width)),
      lie: order(errors["Lie-Trotter, matrices"]),
      strang: order(errors["Strang, matrices"]),
      commutator: exactly(commutator),
      commuting: exactly(commuting),
      lieParticles: order(particleErrors["Lie-Trotter, particles"]),
      strangParticles: order(particleErrors["Strang, particles"]),
      strangEuler: order(particleErrors["Strang, particles, Euler's method"]),
      better: below("plain"),
      halves: below("full steps"),
      around: below("both after attention"),
      deeper: below("one block more"),
      time: speedMeasurement(times.Macaron, times.plain),
    };
  },
});
