/** `fourward convert` */
import { join } from "node:path";
import { setDefaults } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, writeFileAtomic } from "../data/index.ts";
import { corpusTokens, decoder, loadPretrained, modelFolder, savePretrained } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { convertModel } from "../surgery/index.ts";
import { languageModelFlops, scoreLanguageModel } from "../train/index.ts";
import { commandPrefix, quoted } from "./command.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { ProgressLine } from "./progress.ts";
import { settings } from "./settings.ts";
import { columns } from "./text.ts";

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
    const before = await loadPretrained(modelFolder(folder));
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
      const scoreOf = async (each: typeof model, weights: typeof params) => {
        const started = performance.now();
        const score = await scoreLanguageModel(each, weights, text.validation, {
          context,
          windows: flags.windows,
          signal,
        });
        return {
          ...score,
          parameters: parameterCount(weights),
          flopsPerToken: languageModelFlops(each, context).inference,
          tokensPerSecond: score.tokens / ((performance.now() - started) / 1000),
        };
      };
      const record = {
        method: flags.with,
        options,
        model: folder,
        text: source,
        figures,
        before: await scoreOf(model, params),
        after: await scoreOf(converted, after.params),
      };
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

interface Figures {
  readonly loss: number;
  readonly perplexity: number;
  readonly accuracy: number;
  readonly parameters: number;
  readonly flopsPerToken: number;
  readonly tokensPerSecond: number;
}

function recordText({ before, after }: { readonly before: Figures; readonly after: Figures }, out: string): string {
  const row = (name: string, show: (figures: Figures) => string) => [name, show(before), show(after)];
  return [
    columns(
      [
        ["", "before", "after"],
        row("perplexity", ({ perplexity }) => perplexity.toFixed(2)),
        row("accuracy, % of next tokens", ({ accuracy }) => (100 * accuracy).toFixed(2)),
        row("parameters", ({ parameters }) => parameters.toLocaleString("en")),
        row("MFLOP for a token", ({ flopsPerToken }) => (flopsPerToken / 1e6).toFixed(2)),
        row("tokens scored a second", ({ tokensPerSecond }) => Math.round(tokensPerSecond).toLocaleString("en")),
      ],
      { align: ["left", "right", "right"] },
    ),
    "",
    `model     ${out}`,
    `evaluate  ${commandPrefix()} eval ${quoted(out)}`,
    "",
  ].join("\n");
}
