/** `fourward generate` */
import { text as textOf } from "node:stream/consumers";
import { setDefaults } from "../array/index.ts";
import { readTextFile } from "../data/index.ts";
import { type GenerateTextOptions, generateText, generateTexts, type TextModel } from "../serve/index.ts";
import { foundModel } from "./find-model.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { loadModel, type WeightFlags } from "./load-model.ts";
import { ProgressLine } from "./progress.ts";

export interface GenerateFlags extends WeightFlags {
  /** `-` stands for standard input. */
  readonly prompt?: readonly string[];
  /** A file of prompts. */
  readonly prompts?: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  readonly seed: number;
  readonly rows: number;
  readonly device: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Goes on with a text, printing it as it comes, or with several, printing each when it has ended. */
export async function generateFrom(given: string, flags: GenerateFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const prompts = await promptsOf(flags);
  const interrupts = listenForInterrupts(() => {});
  try {
    const folder = await foundModel(given, interrupts.signal);
    const { model, params, tokenizer } = await loadModel(folder, flags);
    if (!tokenizer) throw new Error(`generate ${given}: there is no tokenizer.json in it, which makes text of tokens`);
    const speaking = { model, params, tokenizer };
    const options = {
      maxTokens: flags.tokens,
      temperature: flags.temperature,
      seed: flags.seed,
      signal: interrupts.signal,
      ...(flags.topK === undefined ? {} : { topK: flags.topK }),
      ...(flags.topP === undefined ? {} : { topP: flags.topP }),
      ...(flags.stop === undefined ? {} : { stop: flags.stop }),
    };
    const [first] = prompts;
    if (prompts.length === 1 && first !== undefined) await speak(speaking, first, options, flags.json === true);
    else await speakAll(speaking, prompts, options, flags);
    if (interrupts.signal.aborted) process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
  }
}

/** The prompts of the command line and of a file: lines, or a list of texts in JSON. */
async function promptsOf({ prompt = [], prompts: file }: GenerateFlags): Promise<string[]> {
  const given: string[] = [];
  // The end of its last line is none of the text's.
  for (const each of prompt) given.push(each === "-" ? (await textOf(process.stdin)).replace(/\r?\n$/, "") : each);
  if (file === undefined) return given.length === 0 ? [""] : given;
  const content = await readTextFile(file);
  if (!file.endsWith(".json")) return [...given, ...content.split(/\r?\n/).filter((line) => line !== "")];
  let list: unknown;
  try {
    list = JSON.parse(content);
  } catch {
    // Said below.
  }
  if (!Array.isArray(list) || !list.every((each): each is string => typeof each === "string"))
    throw new Error(`read ${file}: expected a list of texts in JSON`);
  return [...given, ...list];
}

async function speak(model: TextModel, prompt: string, options: GenerateTextOptions, isJson: boolean): Promise<void> {
  const started = performance.now();
  if (!isJson) process.stdout.write(prompt);
  let text = "";
  let last = { tokens: 0, reason: "length" };
  for await (const piece of generateText(model, prompt, options)) {
    text += piece.text;
    last = { tokens: piece.tokens, reason: piece.finish ?? last.reason };
    if (!isJson) process.stdout.write(piece.text);
  }
  const seconds = (performance.now() - started) / 1000;
  const reason = options.signal?.aborted ? "interrupted" : last.reason;
  if (isJson)
    process.stdout.write(
      `${JSON.stringify({ prompt, text, ...last, reason, tokensPerSecond: last.tokens / seconds }, null, 2)}\n`,
    );
  else {
    process.stdout.write("\n");
    process.stderr.write(`${last.tokens} tokens, ${(last.tokens / seconds).toFixed(1)} per second\n`);
  }
}

async function speakAll(
  model: TextModel,
  prompts: readonly string[],
  options: GenerateTextOptions,
  { json = false, quiet = false, rows }: Pick<GenerateFlags, "json" | "quiet" | "rows">,
): Promise<void> {
  const started = performance.now();
  const line = new ProgressLine();
  const said: string[] = [];
  let [done, printed] = [0, 0];
  const texts = await generateTexts(model, prompts, {
    ...options,
    rows,
    onText: (i, { text }) => {
      said[i] = text;
      if (!json) {
        line.end();
        // In the order of the prompts, each as soon as those before it are there.
        for (; said[printed] !== undefined; printed++)
          process.stdout.write(`${printed === 0 ? "" : "\n"}${prompts[printed]}${said[printed]}\n`);
      }
      if (!quiet && !options.signal?.aborted)
        line.update({ stage: "", done: ++done, total: prompts.length, unit: "texts" });
    },
  });
  line.end();
  const seconds = (performance.now() - started) / 1000;
  const tokens = texts.reduce((total, text) => total + text.tokens, 0);
  if (json) {
    const all = texts.map(({ finish, ...text }, i) => ({ prompt: prompts[i], ...text, reason: finish }));
    process.stdout.write(`${JSON.stringify({ texts: all, tokens, tokensPerSecond: tokens / seconds }, null, 2)}\n`);
  } else process.stderr.write(`${tokens} tokens, ${(tokens / seconds).toFixed(1)} per second\n`);
}
