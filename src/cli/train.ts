/** `fourward train` */
import { key, setDefaults } from "../array/index.ts";
import { type DecoderConfig, decoder, loadTokenizer } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { formatDuration } from "../report/format.ts";
import { matchBudget, type Recipe, type RecipeResult, readRecipe, trainRecipe } from "../train/index.ts";
import { commandPrefix, quoted } from "./command.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { withProfile } from "./profile.ts";
import { ProgressLine } from "./progress.ts";

export interface TrainFlags {
  readonly config?: string;
  readonly out: string;
  readonly corpus?: string;
  readonly vocabulary?: number;
  readonly tokenizer?: string;
  readonly width?: number;
  /** Parameters in all, for which the width is found. */
  readonly parameters?: number;
  readonly depth?: number;
  readonly heads?: number;
  readonly hidden?: number;
  readonly context?: number;
  readonly ffn?: string;
  readonly mixer?: string;
  readonly activation?: string;
  readonly positions?: string;
  readonly dropout?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly rate?: number;
  readonly seed?: number;
  readonly device: string;
  readonly threads?: number;
  readonly fresh?: boolean;
  readonly profile?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Trains a language model from a configuration file, from flags, or from a file with some values replaced by flags. */
export async function train(flags: TrainFlags, commandArguments: readonly string[]): Promise<void> {
  const recipe = withFlags(
    flags.config === undefined ? fromFlags(await withWidth(flags)) : await readRecipe(flags.config),
    flags,
  );
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const again = `${commandPrefix()} train ${commandArguments.map(quoted).join(" ")}`;
  const { profile, device, out } = flags;
  await withProfile({ profile, device, title: `Training ${out}`, command: again }, () =>
    trainAndPrint(recipe, flags, again),
  );
}

/** Trains with a progress line, stops cleanly on Ctrl-C, and prints the outcome; gives the folder of the model. */
async function trainAndPrint(recipe: Recipe, flags: TrainFlags, again: string): Promise<string | undefined> {
  const line = new ProgressLine();
  const say = (text: string): void => {
    line.end();
    if (!flags.quiet) process.stderr.write(`${text}\n`);
  };
  const interrupts = listenForInterrupts(() => {
    line.end();
    process.stderr.write("stopping after the current step; press again to stop at once\n");
  });
  const started = performance.now();
  let context = recipe.model.context;
  try {
    const result = await trainRecipe(recipe, {
      out: flags.out,
      signal: interrupts.signal,
      ...(flags.fresh ? { fresh: true } : {}),
      onStage: say,
      onStart: ({ parameters, tokens, vocabulary, resumed }) => {
        context = recipe.model.context;
        say(
          `${parameters.toLocaleString("en")} parameters, vocabulary ${vocabulary}; ${tokens.train.toLocaleString("en")} tokens to train on, ${tokens.validation.toLocaleString("en")} to validate${resumed ? "; going on where the last run stopped" : ""}`,
        );
      },
      onProgress: ({ step, steps, loss, examplesPerSecond = 0 }) => {
        if (flags.quiet || interrupts.signal.aborted) return;
        const speed = `${Math.round(examplesPerSecond).toLocaleString("en")} tokens/s`;
        line.update({
          stage: `step ${step} of ${steps}, loss ${loss.toFixed(3)}, ${speed}`,
          done: step,
          total: steps,
          unit: "steps",
        });
      },
      onScore: ({ step, loss, perplexity, isBest }) =>
        say(
          `step ${step}: validation loss ${loss.toFixed(4)}, perplexity ${perplexity.toFixed(2)}${isBest ? ", the best so far" : ""}`,
        ),
    });
    line.end();
    if (result.stopped) {
      process.stderr.write(`stopped at step ${result.step}; this continues it: ${again}\n`);
      process.exitCode = INTERRUPTED;
      return flags.out;
    }
    const seconds = (performance.now() - started) / 1000;
    process.stdout.write(
      flags.json
        ? `${JSON.stringify({ ...result, seconds, context, out: flags.out }, null, 2)}\n`
        : outcomeText(result, flags.out, seconds),
    );
    return flags.out;
  } finally {
    line.end();
    interrupts.release();
  }
}

function outcomeText({ step, best, test }: RecipeResult, out: string, seconds: number): string {
  return [
    `${step} steps, ${formatDuration(seconds)}`,
    ...(best
      ? [
          `validation  perplexity ${best.perplexity.toFixed(2)} (${best.loss.toFixed(4)} nats per token), step ${best.step}`,
        ]
      : []),
    ...(test ? [`test        perplexity ${test.perplexity.toFixed(2)} (${test.loss.toFixed(4)} nats per token)`] : []),
    `model       ${out}`,
    `evaluate    ${commandPrefix()} eval ${quoted(out)}`,
    "",
  ].join("\n");
}

/** Flags with the width at which the model has the parameters asked for, within 5 %. */
async function withWidth(flags: TrainFlags): Promise<TrainFlags> {
  const { parameters, tokenizer, vocabulary = VOCABULARY, heads = HEADS } = flags;
  if (parameters === undefined) return flags;
  const tokens = tokenizer === undefined ? vocabulary : (await loadTokenizer(tokenizer)).vocabularySize;
  const count = (width: number): number => {
    const { model } = fromFlags({ ...flags, width });
    return parameterCount(decoder({ vocabulary: tokens, ...model } as DecoderConfig).init(key(0)));
  };
  // Rotary positions turn pairs, so each head has an even width.
  const { value } = matchBudget({ target: parameters, count, step: 2 * heads });
  return { ...flags, width: value };
}

const VOCABULARY = 1024;
const HEADS = 4;

/** A recipe made of flags alone, with defaults for a small model. */
function fromFlags(flags: TrainFlags): Recipe {
  const { width = 128, depth = 4, heads = HEADS, hidden = 4 * width, context = 128, vocabulary = VOCABULARY } = flags;
  const { ffn = "dense", mixer = "attention", activation, positions, dropout } = flags;
  const block = [
    { mixer: mixer === "attention" ? { kind: mixer, heads } : { kind: mixer } },
    { ffn: { kind: ffn, hidden, ...(activation === undefined ? {} : { activation }) } },
  ];
  return {
    tokenizer: { vocabulary },
    model: {
      context,
      width,
      // Which kinds there are, and which options each has, the recipe's own check says.
      blocks: Array.from({ length: depth }, () => block) as Recipe["model"]["blocks"],
      ...(positions === undefined ? {} : { positions: positions as "rotary" }),
      ...(dropout === undefined ? {} : { dropout }),
    },
    training: { steps: 1000, batch: 16, rate: 2e-3 },
  };
}

const shapeFlags = [
  "width",
  "parameters",
  "depth",
  "heads",
  "hidden",
  "context",
  "ffn",
  "mixer",
  "activation",
  "positions",
  "dropout",
] as const;

/** The recipe with what flags say instead. */
function withFlags(recipe: Recipe, flags: TrainFlags): Recipe {
  const shape = shapeFlags.find((name) => flags[name] !== undefined);
  if (flags.config !== undefined && shape !== undefined)
    throw new Error(
      `--${shape} describes a model, which ${flags.config} does already; change the file or leave one out`,
    );
  const { steps, batch, rate, seed, corpus, vocabulary, tokenizer } = flags;
  const given = <T extends object>(values: T): Partial<T> =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
  return {
    ...recipe,
    ...given({ corpus, tokenizer: tokenizer ?? (vocabulary === undefined ? undefined : { vocabulary }) }),
    training: { ...recipe.training, ...given({ steps, batch, rate, seed }) },
  } as Recipe;
}
