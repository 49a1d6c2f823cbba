/** `fourward eval` */
import { setDefaults } from "../array/index.ts";
import { type Corpus, DEFAULT_CORPUS, loadCorpus } from "../data/index.ts";
import { corpusTokens, loadPretrained, modelFolder } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { scoreLanguageModel } from "../train/index.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";

export interface EvalFlags {
  readonly text?: string;
  readonly part: "train" | "validation" | "test" | "all";
  readonly context?: number;
  readonly windows?: number;
  readonly device: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Scores a model on text: perplexity, bits per byte and speed. */
export async function evaluateModel(folder: string, flags: EvalFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const interrupts = listenForInterrupts(() => process.stderr.write("stopping\n"));
  try {
    const { model, params, tokenizer } = await loadPretrained(modelFolder(folder));
    if (!tokenizer) throw new Error(`eval ${folder}: there is no tokenizer.json in it, which cuts text into tokens`);
    const { context = model.config.context } = flags;
    if (context > model.config.context)
      throw new Error(`eval: --context ${context} is more than the ${model.config.context} positions of the model`);
    const corpus = oneDocumentList(await loadCorpus(flags.text ?? DEFAULT_CORPUS), flags.part);
    const text = await corpusTokens(corpus, { tokenizer });
    try {
      const started = performance.now();
      const score = await scoreLanguageModel(model, params, text.validation, {
        context,
        signal: interrupts.signal,
        ...(flags.windows === undefined ? {} : { windows: flags.windows }),
      });
      const seconds = (performance.now() - started) / 1000;
      const bytes = corpus.validation.reduce((total, document) => total + Buffer.byteLength(document), 0);
      const result = {
        model: folder,
        text: flags.text ?? DEFAULT_CORPUS,
        part: flags.part,
        ...score,
        // Of the tokens that were scored, as if bytes were spread evenly over tokens.
        bitsPerByte: (score.loss / Math.LN2) * (text.validation.length / bytes),
        tokensPerSecond: score.tokens / seconds,
        parameters: parameterCount(params),
      };
      process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : resultText(result));
    } finally {
      text.close();
    }
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
  }
}

/** The part that is scored, where `corpusTokens` has its part for validation. */
function oneDocumentList({ name, ...parts }: Corpus, part: EvalFlags["part"]): Corpus {
  const documents = part === "all" ? [...parts.train, ...parts.validation, ...parts.test] : parts[part];
  return { name, train: [], validation: documents, test: [] };
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
