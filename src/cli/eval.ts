/** `fourward eval` */
import { setDefaults } from "../array/index.ts";
import { loadPretrained, modelFolder } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { scoreLanguageModel } from "../train/index.ts";
import { type CorpusPart, openText } from "./corpus-part.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";

export interface EvalFlags {
  readonly text?: string;
  readonly part: CorpusPart;
  readonly context?: number;
  readonly windows?: number;
  readonly half?: boolean;
  readonly device: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Scores a model on text: perplexity, bits per byte and speed. */
export async function evaluateModel(folder: string, flags: EvalFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const interrupts = listenForInterrupts(() => process.stderr.write("stopping\n"));
  try {
    const { model, params, tokenizer } = await loadPretrained(modelFolder(folder), { keepHalf: flags.half === true });
    if (!tokenizer) throw new Error(`eval ${folder}: there is no tokenizer.json in it, which cuts text into tokens`);
    const { context = model.config.context } = flags;
    if (context > model.config.context)
      throw new Error(`eval: --context ${context} is more than the ${model.config.context} positions of the model`);
    const { name, text, bytes, close } = await openText(flags.text, flags.part, tokenizer, interrupts.signal);
    try {
      const started = performance.now();
      const score = await scoreLanguageModel(model, params, text, {
        context,
        signal: interrupts.signal,
        ...(flags.windows === undefined ? {} : { windows: flags.windows }),
      });
      const seconds = (performance.now() - started) / 1000;
      const result = {
        model: folder,
        text: name,
        part: flags.part,
        ...score,
        // Of the tokens that were scored, as if bytes were spread evenly over tokens.
        bitsPerByte: (score.loss / Math.LN2) * (text.length / bytes),
        tokensPerSecond: score.tokens / seconds,
        parameters: parameterCount(params),
      };
      process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : resultText(result));
    } finally {
      close();
    }
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
  }
}

const resultText = (result: {
  readonly model: string;
  readonly text: string;
  readonly part: string;
  readonly perplexity: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly bitsPerByte: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly parameters: number;
}): string =>
  [
    `${result.model}, ${result.parameters.toLocaleString("en")} parameters, on ${result.text} (${result.part})`,
    `perplexity     ${result.perplexity.toFixed(3)}`,
    `loss           ${result.loss.toFixed(4)} nats per token`,
    `accuracy       ${(100 * result.accuracy).toFixed(2)} % of next tokens`,
    `bits per byte  ${result.bitsPerByte.toFixed(3)}`,
    `tokens         ${result.tokens.toLocaleString("en")}, ${Math.round(result.tokensPerSecond).toLocaleString("en")} per second`,
    "",
  ].join("\n");
