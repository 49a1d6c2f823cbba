/** `fourward generate` */
import { setDefaults } from "../array/index.ts";
import { loadPretrained, modelFolder } from "../models/index.ts";
import { generateText } from "../serve/index.ts";
import { listenForInterrupts } from "./interrupt.ts";

export interface GenerateFlags {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  readonly seed: number;
  readonly half?: boolean;
  readonly device: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Goes on with a text, printing it as it comes. */
export async function generateFrom(folder: string, flags: GenerateFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const interrupts = listenForInterrupts(() => {});
  try {
    const { model, params, tokenizer } = await loadPretrained(modelFolder(folder), { keepHalf: flags.half === true });
    if (!tokenizer) throw new Error(`generate ${folder}: there is no tokenizer.json in it, which makes text of tokens`);
    const started = performance.now();
    if (!flags.json) process.stdout.write(flags.prompt);
    let text = "";
    let last = { tokens: 0, reason: "length" };
    for await (const piece of generateText({ model, params, tokenizer }, flags.prompt, {
      maxTokens: flags.tokens,
      temperature: flags.temperature,
      seed: flags.seed,
      signal: interrupts.signal,
      ...(flags.topK === undefined ? {} : { topK: flags.topK }),
      ...(flags.topP === undefined ? {} : { topP: flags.topP }),
      ...(flags.stop === undefined ? {} : { stop: flags.stop }),
    })) {
      text += piece.text;
      last = { tokens: piece.tokens, reason: piece.finish ?? last.reason };
      if (!flags.json) process.stdout.write(piece.text);
    }
    const seconds = (performance.now() - started) / 1000;
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify({ prompt: flags.prompt, text, ...last, tokensPerSecond: last.tokens / seconds }, null, 2)}\n`,
      );
    else {
      process.stdout.write("\n");
      process.stderr.write(`${last.tokens} tokens, ${(last.tokens / seconds).toFixed(1)} per second\n`);
    }
  } finally {
    interrupts.release();
  }
}
