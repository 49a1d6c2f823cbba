/** `fourward eval` */
import { setDefaults } from "../array/index.ts";
import { type CorpusPart, type OpenText, openText } from "../models/index.ts";
import { type MeasuredModel, measureModels } from "../serve/index.ts";
import { foundModel } from "./find-model.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { loadModel, type WeightFlags } from "./load-model.ts";
import { figuresText } from "./model-figures.ts";
import { ProgressLine } from "./progress.ts";

export interface EvalFlags extends WeightFlags {
  readonly text?: string;
  readonly part: CorpusPart;
  readonly context?: number;
  readonly stride?: number;
  readonly windows?: number;
  readonly device: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Measures models on text: quality, operations, bytes and time, side by side where there are several. */
export async function evaluateModels(folders: readonly string[], flags: EvalFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const twice = folders.find((folder, i) => folders.indexOf(folder) !== i);
  if (twice !== undefined) throw new Error(`eval: ${twice} is named twice`);
  const line = new ProgressLine();
  const interrupts = listenForInterrupts(() => process.stderr.write("stopping\n"));
  const texts: OpenText[] = [];
  try {
    const models: Record<string, MeasuredModel> = {};
    for (const folder of folders) {
      const { model, params, tokenizer } = await loadModel(await foundModel(folder, interrupts.signal), flags);
      if (!tokenizer) throw new Error(`eval ${folder}: there is no tokenizer.json in it, which cuts text into tokens`);
      const text = await openText(flags.text, flags.part, tokenizer, interrupts.signal);
      texts.push(text);
      models[folder] = { model, params, text: text.text };
    }
    const { stride } = flags;
    const context = contextOf(models, flags.context);
    const figures = await measureModels(models, {
      context,
      signal: interrupts.signal,
      ...(stride === undefined ? {} : { stride }),
      ...(flags.windows === undefined ? {} : { windows: flags.windows }),
      onProgress: (progress) => {
        if (!flags.quiet && !interrupts.signal.aborted) line.update(progress);
      },
    });
    line.end();
    const results = folders.map((folder, i) => {
      const { text, bytes } = texts[i] as OpenText;
      const own = figures[folder] as (typeof figures)[string];
      // Of the tokens that were scored, as if bytes were spread evenly over tokens.
      return { model: folder, ...own, bitsPerByte: (own.loss / Math.LN2) * (text.length / bytes) };
    });
    const [first] = texts as [OpenText];
    const setting = { text: first.name, part: first.part, context, ...(stride === undefined ? {} : { stride }) };
    const output = results.length === 1 ? { ...setting, ...results[0] } : { ...setting, models: results };
    const tokens = results[0]?.tokens.toLocaleString("en");
    const over = `${tokens} tokens of ${first.name} (${first.part}), ${context} at once${stride === undefined ? "" : `, stride ${stride}`}`;
    process.stdout.write(
      flags.json
        ? `${JSON.stringify(output, null, 2)}\n`
        : `${folders.join(" and ")} on ${over}\n${figuresText(results.map((each) => ({ name: each.model, figures: each })))}\n`,
    );
  } catch (error) {
    line.end();
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    for (const { close } of texts) close();
    interrupts.release();
  }
}

/** Positions that all models have, or as many as are asked for. */
function contextOf(models: { readonly [folder: string]: MeasuredModel }, asked: number | undefined): number {
  const [folder, least] = Object.entries(models)
    .map(([name, { model }]) => [name, model.config.context] as const)
    .reduce((a, b) => (b[1] < a[1] ? b : a));
  if (asked !== undefined && asked > least)
    throw new Error(`eval: --context ${asked} is more than the ${least} positions of ${folder}`);
  return asked ?? least;
}
