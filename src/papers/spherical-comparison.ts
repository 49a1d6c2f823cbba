/** What the study of spherical operators compares, with its tables, plots and maps. */
import { shallowWater } from "../data/index.ts";
import { average, type StudyContext, withStd } from "../report/index.ts";
import { latitudesOf } from "../spectral/index.ts";
import {
  type ComparedArm,
  type Fields,
  type OperatorBudget,
  type OperatorOutcome,
  operatorErrors,
  sphereFigure,
} from "../train/index.ts";
import { type FlowCounts, kineticPoints } from "./sphere-flows.ts";

/** The grid on the sphere that all flows are given on. */
export const GRID = "gauss-legendre" as const;

/** How large a comparison is. */
export interface Setting extends OperatorBudget, FlowCounts {
  readonly width: number;
  readonly layers: number;
  /** Steps of its own that an operator is trained on; each costs as much again. */
  readonly ahead: number;
  /** Steps of the rollout without truth. */
  readonly long: number;
}

/** What is measured of a trained operator beside its errors. */
export interface Further {
  /** Energy of each state of the long rollout, over that of the first. */
  readonly energy: readonly number[];
  /** States of the long rollout by step. */
  readonly kept: { readonly [step: number]: Float32Array };
  /** Relative errors by circle of latitude. */
  readonly rows: readonly number[];
  /** Relative difference under a turn about the axis. */
  readonly axis: number;
}

export type Compared = { readonly [name: string]: ComparedArm<OperatorOutcome<Further>> };

/** Steps after which the energy is still below twice that of the start. */
export function boundedSteps({ energy }: Further): number {
  const failed = energy.findIndex((e) => !(e <= 2));
  return failed < 0 ? energy.length - 1 : failed - 1;
}

/** Circles beyond 70 degrees of latitude. */
export const polar = (latitudes: number): readonly number[] =>
  Array.from(latitudesOf(GRID, latitudes).colatitudes.entries())
    .filter(([, theta]) => Math.abs(90 - (theta * 180) / Math.PI) > 70)
    .map(([row]) => row);

export const polarError = ({ rows }: Further, circles: readonly number[]): number =>
  average(circles.map((row) => rows[row] as number));

/** The error after some steps, at most a million. */
export const at = (rollout: readonly number[], step: number): number => Math.min(1e6, rollout[step - 1] as number);

/** Errors of the next state and of rollouts. */
export function tables({ figure }: StudyContext, compared: Compared, setting: Setting, tests: readonly string[]): void {
  const list = (values: readonly number[], digits = 4): string => values.map((v) => v.toFixed(digits)).join(", ");
  const rows = Object.entries(compared);
  const steps = [10, 50, 200].filter((step) => step <= setting.rollout);
  figure({
    kind: "table",
    title: "Errors of the next hour on test flows",
    caption:
      "Relative L2 by area over all channels, one number for each seed: on the grid of training, on one twice as fine, and beyond 70 degrees of latitude. All arms have the same pairs, steps and search of learning rates.",
    columns: ["operator", "parameters", "learning rate", ...tests, "near the poles", "turned about the axis"],
    rows: rows.map(([name, arm]) => [
      name,
      arm.outcomes[0]?.parameters ?? 0,
      arm.rate,
      ...tests.map((test) => list(operatorErrors(arm, test))),
      list(arm.outcomes.map(({ further }) => polarError(further, polar(setting.latitudes)))),
      Math.max(...arm.outcomes.map(({ further }) => further.axis)).toExponential(1),
    ]),
  });
  figure({
    kind: "table",
    title: "Rollouts",
    caption: `Relative L2 errors after some steps of an hour, and of ${setting.long.toLocaleString("en-US")} steps those until which the energy stays below twice that of the start, with the energy at the end as a share of it; one number for each seed.`,
    columns: ["operator", ...steps.map((step) => `${step} steps`), "bounded steps", "energy at the end"],
    rows: rows.map(([name, { outcomes }]) => [
      name,
      ...steps.map((step) =>
        list(
          outcomes.map(({ rollout }) => at(rollout, step)),
          3,
        ),
      ),
      outcomes.map(({ further }) => boundedSteps(further)).join(", "),
      outcomes.map(({ further: { energy } }) => Number(energy.at(-1)).toPrecision(2)).join(", "),
    ]),
  });
}

/** Errors by step and by latitude, and energies. */
export function plots({ figure }: StudyContext, compared: Compared, setting: Setting): void {
  const arms = Object.entries(compared);
  figure({
    kind: "lines",
    title: "Errors of rollouts",
    caption:
      "Each operator is given the first state of the test flows and then its own results. An error of 1.4 is that of two flows that have nothing to do with each other.",
    x: { label: "hours ahead", log: true },
    y: { label: "relative L2 error", log: true },
    series: arms.map(([name, { outcomes }]) => ({
      name,
      points: [1, 2, 5, 10, 20, 50, 100, 200]
        .filter((step) => step <= setting.rollout)
        .map((step) =>
          withStd(
            step,
            outcomes.map(({ rollout }) => at(rollout, step)),
          ),
        ),
    })),
  });
  figure({
    kind: "lines",
    title: "Energy of long rollouts",
    caption:
      "Over that of the first state, for each operator with the first seed; lines end where the energy is ten times that of the start.",
    x: { label: "hours ahead" },
    y: { label: "energy", log: true },
    series: arms.map(([name, { outcomes }]) => {
      const energy = outcomes[0]?.further.energy ?? [];
      const end = energy.findIndex((e) => !(e <= 10));
      const every = Math.max(1, Math.floor(setting.long / 40));
      return {
        name,
        points: energy
          .slice(0, end < 0 ? undefined : end)
          .flatMap((y, x) => (x % every === 0 ? [{ x, y: Math.max(y, 1e-6) }] : [])),
      };
    }),
  });
  const { colatitudes } = latitudesOf(GRID, setting.latitudes);
  figure({
    kind: "lines",
    title: "Errors by latitude",
    caption: "Relative L2 errors of the next hour on each circle of the grid of training.",
    x: { label: "degrees north" },
    y: { label: "relative L2 error" },
    series: arms.map(([name, { outcomes }]) => ({
      name,
      points: Array.from(colatitudes, (theta, row) =>
        withStd(
          90 - (theta * 180) / Math.PI,
          outcomes.map(({ further }) => further.rows[row] as number),
        ),
      ),
    })),
  });
}

/** Maps of the vorticity and spectra of the kinetic energy, after one step and after more. */
export function pictures(
  context: StudyContext,
  compared: Compared,
  setting: Setting,
  truth: Fields,
  sizes: readonly number[],
): void {
  const { latitudes, degree } = setting;
  const points = 2 * latitudes ** 2;
  const solver = shallowWater({ degree });
  const arms = Object.entries(compared).map(([name, { outcomes }]) => ({
    name,
    kept: outcomes[0]?.further.kept ?? {},
  }));
  const stateAt = (time: number): Float32Array => truth.data.subarray(3 * points * time, 3 * points * (time + 1));
  // Days are a shorter unit than seconds: 1 is a turn of the fluid by one radian in a day.
  const vorticity = (values: Float32Array) =>
    values.subarray(points, 2 * points).map((v) => v * (sizes[1] as number) * 86_400);
  for (const step of pictureSteps(setting)) {
    const reached = arms.filter(({ kept }) => kept[step]);
    context.figure(
      sphereFigure({
        title: step === 1 ? "Vorticity an hour ahead" : `Vorticity ${step} hours ahead`,
        caption: "A test flow and the first seed.",
        quantity: "vorticity, 1/day",
        grid: GRID,
        latitudes,
        longitudes: 2 * latitudes,
        input: vorticity(stateAt(0)),
        truth: vorticity(stateAt(step)),
        predictions: reached.map(({ name, kept }) => ({ name, values: vorticity(kept[step] as Float32Array) })),
      }),
    );
    context.figure({
      kind: "lines",
      title: step === 1 ? "Kinetic energy by degree an hour ahead" : `Kinetic energy by degree ${step} hours ahead`,
      caption: "Mean of ½|v|² in m²/s², of the same flow and seed.",
      x: { label: "degree", log: true },
      y: { label: "energy", log: true },
      series: [{ name: "truth", kept: { [step]: stateAt(step) } }, ...reached].map(({ name, kept }) => ({
        name,
        points: kineticPoints(solver, kept[step] as Float32Array, setting, sizes),
      })),
    });
  }
}

/** Steps whose states are drawn. */
export const pictureSteps = ({ rollout }: Setting): readonly number[] => [1, Math.min(24, rollout)];
