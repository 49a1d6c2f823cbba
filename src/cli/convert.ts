/** `fourward convert` */
import { join } from "node:path";
import { setDefaults } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, writeFileAtomic } from "../data/index.ts";
import { corpusTokens, decoder, loadPretrained, savePretrained } from "../models/index.ts";
import { type ModelFigures, measureModels } from "../serve/index.ts";
import { convertModel } from "../surgery/index.ts";
import { commandPrefix, quoted } from "./command.ts";
import { foundModel } from "./find-model.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { figuresText } from "./model-figures.ts";
import { ProgressLine } from "./progress.ts";
import { settings } from "./settings.ts";

export interface ConvertFlags {
  readonly with: string;
  readonly out: string;
  readonly text?: string;
  readonly set?: readonly string[];
  readonly windows: number;
  readonly device: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Converts a model, writes it with a record of the conversion, and scores both on text. */
export async function convert(folder: string, flags: ConvertFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const line = new ProgressLine();
  const interrupts = listenForInterrupts(() => process.stderr.write("stopping\n"));
  const { signal } = interrupts;
  try {
    const before = await loadPretrained(await foundModel(folder, signal));
    const { model, params, tokenizer } = before;
    if (!tokenizer) throw new Error(`convert ${folder}: there is no tokenizer.json in it, which cuts text into tokens`);
    const source = flags.text ?? DEFAULT_CORPUS;
    const text = await corpusTokens(await loadCorpus(source), { tokenizer });
    try {
      const { figures, options, ...after } = await convertModel(
        flags.with,
        { config: model.config, params },
        settings("convert", flags.set),
        {
          text: text.train,
          signal,
          onProgress: (progress) => {
            if (!flags.quiet && !signal.aborted) line.update({ unit: "layers", ...progress });
          },
        },
      );
      line.end();
      const converted = decoder(after.config);
      await savePretrained(flags.out, { model: converted, params: after.params, tokenizer });
      const { context } = model.config;
      const measured = await measureModels(
        {
          before: { model, params, text: text.validation },
          after: { model: converted, params: after.params, text: text.validation },
        },
        {
          context,
          windows: flags.windows,
          signal,
          onProgress: (progress) => {
            if (!flags.quiet && !signal.aborted) line.update(progress);
          },
        },
      );
      line.end();
      const record = { method: flags.with, options, model: folder, text: source, context, figures, ...measured };
      await writeFileAtomic(join(flags.out, "conversion.json"), `${JSON.stringify(record, null, 2)}\n`);
      process.stdout.write(flags.json ? `${JSON.stringify(record, null, 2)}\n` : recordText(record, flags.out));
    } finally {
      text.close();
    }
  } catch (error) {
    line.end();
    if (!signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
  }
}

function recordText(
  { model, before, after }: { readonly model: string; readonly before: ModelFigures; readonly after: ModelFigures },
  out: string,
): string {
  return [
    figuresText([
      { name: "before", figures: before },
      { name: "after", figures: after },
    ]),
    "",
    `model     ${out}`,
    `evaluate  ${commandPrefix()} eval ${quoted(model)} ${quoted(out)}`,
    "",
  ].join("\n");
}
