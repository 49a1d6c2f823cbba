/** Language models in groups, each group at one learning rate: the best of its first model. */
import type { StudyContext } from "../report/index.ts";
import {
  type CompareLanguageOptions,
  compareLanguageModels,
  type LanguageArm,
  type LanguageComparison,
  type LanguageModel,
} from "../train/index.ts";

/** A model to train, for so many steps. */
export interface Trainee {
  /** Different from those of all other models of the study. */
  readonly name: string;
  readonly model: LanguageModel;
  readonly steps: number;
}

/** Models that are trained at one learning rate, the first of which chooses it. */
export type Group = readonly [first: Trainee, ...others: Trainee[]];

/** Trains the first model of each group at the best of the learning rates, and the others at the same one. */
export async function compareAtRateOfFirst(
  context: StudyContext,
  groups: readonly Group[],
  { text, budget }: Pick<CompareLanguageOptions, "text" | "budget">,
): Promise<LanguageComparison> {
  const search = budget.rates.length === 1 ? 0 : budget.rates.length;
  const seeds = context.seeds.length;
  const total = groups.reduce((models, group) => models + search + group.length * seeds, 0);
  let before = 0;
  const compared: Record<string, LanguageArm> = {};
  const train = async ({ name, model, steps }: Trainee, rates: readonly number[]): Promise<number> => {
    const counted: StudyContext = {
      ...context,
      progress: ({ done, ...at }) => context.progress({ ...at, done: before + done, total }),
    };
    const arms = { [name]: model };
    Object.assign(compared, await compareLanguageModels(counted, { arms, text, budget: { ...budget, rates, steps } }));
    before += seeds + (rates.length === 1 ? 0 : rates.length);
    return (compared[name] as LanguageArm).rate;
  };
  for (const [first, ...others] of groups) {
    const rate = await train(first, budget.rates);
    for (const other of others) await train(other, [rate]);
  }
  return compared;
}
