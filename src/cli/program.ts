/** The verbs of the command line and their options. Verbs are loaded when they are used, so that short ones are quick. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { devices } from "../array/runtime/runtime.ts";
import { fileError } from "../data/files.ts";
import { type Library, library, UnknownPaperError } from "../papers/index.ts";
import { scales } from "../report/study.ts";
import type { ConvertFlags } from "./convert.ts";
import type { DigestFlags } from "./digest.ts";
import type { EvalFlags } from "./eval.ts";
import type { ExportFlags } from "./export.ts";
import type { FeedRefreshFlags, FeedSearchFlags } from "./feed.ts";
import type { GenerateFlags } from "./generate.ts";
import type { ProbeFlags } from "./probe.ts";
import type { ReduceFlags } from "./reduce.ts";
import type { RunFlags } from "./run.ts";
import type { ServeFlags } from "./serve.ts";
import type { StudioFlags } from "./studio.ts";
import type { TrainFlags } from "./train.ts";

/** Exit code for wrong usage, as shells and GNU tools have it. */
const USAGE = 2;

/** A whole number of at least 1. */
function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Expected a whole number from 1.");
  return value;
}

/** A whole number from 0. */
function countOrNone(text: string): number {
  return text.trim() === "0" ? 0 : count(text);
}

/** A port that a server can listen on; 0 takes any that is free. */
function port(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(Number.isInteger(value) && value >= 0 && value < 2 ** 16))
    throw new InvalidArgumentError("Expected a whole number from 0 to 65535.");
  return value;
}

/** A number from 0. */
function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(Number.isFinite(value) && value >= 0)) throw new InvalidArgumentError("Expected a number from 0.");
  return value;
}

function seed(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  // Keys of random numbers are made of 32 bits.
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
    throw new InvalidArgumentError("Expected whole numbers from 0 below 2^32.");
  return value;
}

/** `0,2` */
function layerList(text: string): readonly number[] {
  return text.split(",").map((part) => {
    const value = part.trim() === "" ? Number.NaN : Number(part);
    if (!Number.isSafeInteger(value) || value < 0)
      throw new InvalidArgumentError("Expected numbers of layers from 0, e.g. 0,2.");
    return value;
  });
}

/** `384,192` */
function sizeList(text: string): readonly number[] {
  return text.split(",").map((part) => count(part.trim()));
}

/** `neurons,vocabulary` */
const nameList = (text: string): readonly string[] => text.split(",").map((name) => name.trim());

/** `0,1,2` */
function seedList(text: string): readonly number[] {
  const seeds = text.split(",").map(seed);
  if (new Set(seeds).size !== seeds.length) throw new InvalidArgumentError("A seed is named twice.");
  return seeds;
}

const weightsOption = (): Option =>
  new Option(
    "--weights <type>",
    "round the weights of linear maps to so few bits: quicker tokens, a little worse",
  ).choices(["int8", "int4"]);

const version = (): string =>
  (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;

/** Parses the command line and runs its verb; sets the exit code: 0, 1 for failure, 2 for wrong usage, 130 for Ctrl-C. */
export async function main(args: readonly string[], papers: Library = library): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough, such as head, is no error.
    if (error.code === "EPIPE") process.exit();
    process.stderr.write(`fourward: ${(fileError("write", "standard output", error) as Error).message}\n`);
    process.exit(1);
  });
  // There is nobody left to tell.
  process.stderr.on("error", () => process.exit(1));
  const program = programFor(papers, await helpTexts(args));
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed it.
      process.exitCode = error.exitCode === 0 ? 0 : USAGE;
      return;
    }
    process.stderr.write(`fourward: ${error instanceof Error ? error.message : String(error)}\n`);
    if (process.env.FOURWARD_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exitCode = error instanceof UnknownPaperError ? USAGE : 1;
  }
}

/** What Commander has to say about wrong usage, in our form. */
const oneSentence = (text: string): string =>
  `${text
    .replace(/^error: /, "")
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replace(/\.$/, "")}; fourward --help shows what there is`;

const deviceOption = (): Option =>
  new Option("--device <device>", "where graphs run; webgpu takes a GPU by Vulkan, Metal or Direct3D 12")
    .choices(devices)
    .default("cpu");

const halfOption = (): Option => new Option("--half", "keep 16-bit weights as they are: half the memory, slower");

const textOption = (): Option =>
  new Option("--text <name>", "a corpus by name, or a text file or folder (default: the books and speeches)");

const partOption = (part: string): Option =>
  new Option("--part <part>", "which part of the corpus").choices(["train", "validation", "test", "all"]).default(part);

const threadsOption = (): Option =>
  new Option("--threads <n>", "threads for one operation (default: all cores)").argParser(count);

/** What helps of verbs say beyond their options; loaded only when it is asked for. */
interface HelpTexts {
  readonly convert: string;
}
const helpTexts = async (args: readonly string[]): Promise<HelpTexts> => ({
  convert:
    args[0] === "convert" && args.some((arg) => arg === "--help" || arg === "-h")
      ? (await import("./convert-help.ts")).methodsText()
      : "",
});

function programFor(papers: Library, helps: HelpTexts): Command {
  const program = new Command("fourward")
    .description("A workbench for feed-forward and Fourier networks: papers that run, on your machine.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText(
      "after",
      "\nA <model> is a folder in the Hugging Face layout, the name of the model that comes with this package (fourward-4m),\nowner/name on the Hugging Face hub (HF_ENDPOINT names another hub), or a .bin file of llama2.c.",
    )
    .configureOutput({ outputError: (text, write) => write(`fourward: ${oneSentence(text)}\n`) })
    .exitOverride();

  program
    .command("list")
    .description("list the papers and whether they run")
    .option("--search <words>", "only papers in which all words occur")
    .option("--implemented", "only papers that run")
    .option("--json", "print JSON")
    .action(async (options: { search?: string; implemented?: boolean; json?: boolean }) =>
      (await import("./list.ts")).list(papers, options),
    );

  program
    .command("show <paper>")
    .description("show what a paper is and what it claims (by slug, number or title)")
    .option("--json", "print JSON")
    .action(async (paper: string, options: { json?: boolean }) =>
      (await import("./show.ts")).show(papers, paper, options),
    );

  program
    .command("run <paper>")
    .description("measure a paper's claims here and write a report")
    .addOption(
      new Option(
        "--scale <scale>",
        "smoke: seconds, mechanism only; small: minutes on two cores; full: a GPU or the paper's sizes",
      )
        .choices(scales)
        .default("small"),
    )
    .addOption(new Option("--seed <n>", "run with this one seed").argParser(seed).conflicts("seeds"))
    .option("--seeds <list>", "run with these seeds, e.g. 0,1,2 (default: as many as the study says)", seedList)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--out <folder>", "where reports go", "reports")
    .option("--fresh", "do not continue an interrupted run")
    .option("--profile", "measure where the time of graphs goes: tables and a flame view beside the report")
    .option("--quiet", "no progress")
    .option("--json", "print the result as JSON, and nothing else on standard output")
    .action(async (paper: string, options: RunFlags) => (await import("./run.ts")).run(papers, paper, options));

  program
    .command("train")
    .description("train a language model; the same command continues a run that was stopped")
    .option("--config <file>", "a recipe in JSON: corpus, tokenizer, model and training (see configs/)")
    .option("--out <folder>", "folder of the model, in the Hugging Face layout", "models/new")
    .option("--corpus <name>", "a corpus by name, or a text file or folder (default: the books and speeches)")
    .option("--vocabulary <n>", "tokens of a byte-pair vocabulary that is trained on the corpus (default: 1024)", count)
    .option("--tokenizer <file>", "a tokenizer.json to use instead")
    .option("--width <n>", "extent of the stream of vectors (default: 128)", count)
    .addOption(
      new Option("--parameters <n>", "parameters in all; finds the width that has them")
        .argParser(count)
        .conflicts("width"),
    )
    .option("--depth <n>", "blocks (default: 4)", count)
    .option("--heads <n>", "heads of attention (default: 4)", count)
    .option("--hidden <n>", "hidden extent of the feed-forward layers (default: 4 widths)", count)
    .option("--context <n>", "positions that the model sees (default: 128)", count)
    .option("--ffn <kind>", "feed-forward layer (default: dense)")
    .option("--mixer <kind>", "layer that mixes positions (default: attention)")
    .option("--activation <name>", "function between feed-forward layers")
    .option("--positions <kind>", "rotary, learned or none (default: rotary)")
    .option("--dropout <share>", "share dropped in training (default: 0)", number)
    .option("--steps <n>", "steps in all (default: 1000)", count)
    .option("--batch <n>", "sequences in a step (default: 16)", count)
    .option("--rate <x>", "highest learning rate (default: 0.002)", number)
    .addOption(new Option("--seed <n>", "seed of weights, batches and dropout (default: 0)").argParser(seed))
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--fresh", "begin anew even if the folder holds a run")
    .option("--profile", "measure where the time of graphs goes: tables and a flame view in the model's folder")
    .option("--quiet", "no progress")
    .option("--json", "print the result as JSON, and nothing else on standard output")
    .action(async (options: TrainFlags) => (await import("./train.ts")).train(options, trainArguments(options)));

  program
    .command("eval <models...>")
    .description("measure a model on text, or several side by side: perplexity, operations, bytes, time")
    .addOption(textOption())
    .addOption(partOption("validation"))
    .option("--context <n>", "positions that the model sees (default: all it has)", count)
    .option(
      "--stride <n>",
      "tokens from one window to the next; fewer than the context give tokens more text before them (default: windows side by side)",
      count,
    )
    .option("--windows <n>", "score so many windows, spread evenly over the text (default: all)", count)
    .addOption(halfOption())
    .addOption(weightsOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--quiet", "no progress")
    .option("--json", "print JSON")
    .action(async (models: string[], options: EvalFlags) =>
      (await import("./eval.ts")).evaluateModels(models, options),
    );

  program
    .command("probe <model>")
    .description("look into a model on text and write a report with pictures: its neurons, what they say, its geometry")
    .option("--probes <list>", "which, e.g. neurons,vocabulary (default: all that apply to the model)", nameList)
    .option("--layers <list>", "numbers of the layers to look at, e.g. 0,2 (default: all)", layerList)
    .addOption(textOption())
    .addOption(partOption("all"))
    .option("--tokens <n>", "tokens at most, spread evenly over the text", count, 65_536)
    .option("--set <probe.name=value...>", "options of a probe, e.g. neurons.threshold=0.1")
    .option("--out <folder>", "folder of the report (default: reports/probe-<model>)")
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--quiet", "no progress")
    .option("--json", "print what was found as JSON, and nothing else on standard output")
    .action(async (model: string, options: ProbeFlags) => (await import("./probe.ts")).probe(model, options));

  program
    .command("convert <model>")
    .description("change a trained model and write it with a record: quality, operations and speed before and after")
    .requiredOption("--with <method>", "one of the methods below")
    .requiredOption("--out <folder>", "folder of the converted model")
    .option(
      "--text <name>",
      "calibration text: a corpus by name, or a file or folder (default: the books and speeches)",
    )
    .option("--set <name=value...>", "options of the method, e.g. experts=32 active=8 or rank=64")
    .addHelpText("after", () => helps.convert)
    .option("--windows <n>", "windows of validation text that score both models", count, 64)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--quiet", "no progress")
    .option("--json", "print the record as JSON")
    .action(async (model: string, options: ConvertFlags) => (await import("./convert.ts")).convert(model, options));

  program
    .command("reduce <vectors>")
    .description(
      "say what ways to shorten the vectors of a .npy, .safetensors or .jsonl file leave of a search by cosine, or write one",
    )
    .option("--tensor <name>", "which matrix of a .safetensors file (default: the only one)")
    .option("--field <name>", "which field of the objects in a .jsonl file (default: embedding)")
    .option("--methods <list>", "reductions to compare, e.g. pca,fourier (default: all)", nameList)
    .option("--sizes <list>", "numbers to keep, e.g. 384,192 (default: a half, a quarter, an eighth)", sizeList)
    .option("--neighbors <n>", "nearest vectors that must be found again", count, 10)
    .option("--queries <n>", "vectors that are taken out and searched for, a tenth of all at most", count, 500)
    .option("--among <n>", "vectors that are searched, at most; also those that pca learns from", count, 50_000)
    .option("--with <method>", "write this reduction of all vectors")
    .option("--size <n>", "numbers to keep in what is written", count)
    .option("--out <file>", "file to write, .safetensors (with the matrix for queries) or .npy")
    .addOption(new Option("--seed <n>", "seed of samples and of random reductions").argParser(seed).default(0))
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--quiet", "no progress")
    .option("--json", "print JSON, and nothing else on standard output")
    .action(async (vectors: string, options: ReduceFlags) => (await import("./reduce.ts")).reduce(vectors, options));

  program
    .command("export <model>")
    .description("write a model as ONNX, weights inside, for any runtime of the format; the file is run and checked")
    .requiredOption("--onnx <file>", "the file")
    .option("--batch <n>", "rows, fixed", count, 1)
    .option("--time <n>", "positions of a row, fixed (default: all that the model has, 1024 at most)", count)
    .option("--cache <n>", "write one step of generation instead, with caches of so many positions", count)
    .option("--half", "keep 16-bit weights as they are: half the size, slower")
    .option("--json", "print JSON")
    .action(async (model: string, options: ExportFlags) => (await import("./export.ts")).exportModel(model, options));

  program
    .command("serve <model>")
    .description("serve a model with the interface of OpenAI's completions")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <n>", "port to listen on", port, 8000)
    .option("--name <name>", "what the model is called in requests (default: the name of its folder)")
    .option("--rows <n>", "requests that are computed together", count, 8)
    .option("--queue <n>", "requests that may wait; more are told to come again later", count, 256)
    .option("--max-tokens <n>", "new tokens of an answer at most (default: the model's context)", count)
    .option("--max-body <bytes>", "size of a request at most", count, 2 ** 20)
    .option("--grace <seconds>", "how long requests that have begun may take after Ctrl-C", number, 30)
    .option("--api-key <key>", "what clients must show as their API key (default: $FOURWARD_API_KEY, or nothing)")
    .addOption(halfOption())
    .addOption(weightsOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .action(async (model: string, options: ServeFlags) => (await import("./serve.ts")).serveModel(model, options));

  program
    .command("generate <model>")
    .description("go on with a text, or with several at once")
    .option(
      "--prompt <text>",
      "the text to go on with; - for standard input; may be given several times",
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .option("--prompts <file>", "prompts in a file: one a line, or a list of texts in a .json")
    .option("--tokens <n>", "new tokens at most", count, 200)
    .option("--temperature <x>", "0 takes the likeliest token; higher is bolder", number, 0.8)
    .option("--top-k <n>", "choose among the n likeliest tokens", count)
    .option("--top-p <share>", "choose among the likeliest tokens that have this probability together", number)
    .option("--stop <text...>", "texts that end it")
    .addOption(
      new Option("--seed <n>", "seed of the choices; each further prompt takes the next").argParser(seed).default(0),
    )
    .option("--rows <n>", "texts that are computed together, where there are several", count, 8)
    .addOption(halfOption())
    .addOption(weightsOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--quiet", "no progress")
    .option("--json", "print JSON")
    .action(async (model: string, options: GenerateFlags) =>
      (await import("./generate.ts")).generateFrom(model, options),
    );

  addFeed(program, papers);

  program
    .command("studio")
    .description(
      "serve the papers as a site: search, read, vote, run studies with live progress, probe and convert models",
    )
    .option("--host <address>", "address to listen on; others than 127.0.0.1 let the network in", "127.0.0.1")
    .option("--port <n>", "port to listen on; 0 takes any that is free", port, 8765)
    .option(
      "--token <text>",
      "what all but this machine's own users must show before they start runs (default: $FOURWARD_TOKEN)",
    )
    .option("--site <url>", "the address that a proxy and letters lead to (default: $FOURWARD_SITE)")
    .option("--trust-proxy", "believe X-Forwarded-For and -Proto, since a proxy of yours writes them")
    .option("--open", "open it in the browser")
    .option("--runs <n>", "runs at once; 0 leaves them to another server of the same database", countOrNone, 1)
    .option("--out <folder>", "where runs keep what they do (default: runs in the feed's folder)")
    .option("--reports <folder>", "folder of reports of fourward run", "reports")
    .option("--models <folders...>", "folders of models that visitors may probe and convert")
    .option("--refresh <hours>", "look for new papers now and every so many hours", number)
    .option("--smtp <url>", "mail server, to take subscriptions and send the digest (default: $FOURWARD_SMTP)")
    .option("--from <address>", "address that letters come from (default: $FOURWARD_MAIL_FROM)")
    .option("--dkim <domain:selector:file>", "sign letters with the private key in this file (default: $FOURWARD_DKIM)")
    .option("--grace <seconds>", "for requests and runs that have begun, when it is to stop", number, 10)
    .option("--quiet", "print only its address")
    .action(async (options: StudioFlags) => (await import("./studio.ts")).studio(papers, options));

  program
    .command("digest")
    .description("send the daily digest of papers by mail to those who subscribed")
    .option("--once", "send what is due, and end")
    .option("--daemon", "send what is due every minute, and serve the pages on which people subscribe and leave")
    .option("--report <file>", "take a bounce or complaint as a mail server sent it; - for standard input")
    .option(
      "--smtp <url>",
      "mail server, e.g. smtp://user:password@host:587 (default: $FOURWARD_SMTP, which others do not see)",
    )
    .option("--from <address>", "address that letters come from (default: $FOURWARD_MAIL_FROM)")
    .option("--base <url>", "site that links in letters lead to (default: $FOURWARD_SITE)")
    .option("--dkim <domain:selector:file>", "sign letters with the private key in this file (default: $FOURWARD_DKIM)")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <n>", "port to listen on", port, 8025)
    .option("--quiet", "print only what goes wrong")
    .option("--json", "print JSON")
    .action(async (options: DigestFlags) => (await import("./digest.ts")).digest(papers, options));

  return program;
}

/** Catalogue and papers from elsewhere, in a database. */
function addFeed(program: Command, papers: Library): void {
  const feed = program
    .command("feed")
    .description("papers of the catalogue and new ones from arXiv and Hugging Face, in a database")
    .helpCommand(false);

  feed
    .command("refresh")
    .description(
      "bring it up to date: the catalogue, reports of studies run here, new papers (FOURWARD_ARXIV, HF_ENDPOINT)",
    )
    .addOption(
      new Option("--sources <list>", "arxiv, hugging-face or both (default: both)").argParser((text: string) => {
        const names = nameList(text);
        if (names.some((name) => name !== "arxiv" && name !== "hugging-face"))
          throw new InvalidArgumentError("Expected arxiv, hugging-face or both with a comma.");
        return names;
      }),
    )
    .option("--days <n>", "days to look back", count, 3)
    .option("--reports <folder>", "folder of reports of fourward run", "reports")
    .option("--quiet", "no progress")
    .option("--json", "print JSON, and nothing else on standard output")
    .action(async (options: FeedRefreshFlags) => (await import("./feed.ts")).refresh(papers, options));

  feed
    .command("search [words...]")
    .description("find papers by words and by meaning; without words all of them")
    .option("--topic <names...>", "only papers with one of these topics")
    .option("--implemented", "only papers that run")
    .option("--from <year>", "only papers from this year on", count)
    .option("--to <year>", "only papers up to this year", count)
    .addOption(
      new Option("--sort <order>", "by default relevance, without words newest").choices([
        "relevance",
        "trending",
        "newest",
      ]),
    )
    .option("--limit <n>", "papers at most", count, 20)
    .option("--json", "print JSON, with the latest measurements")
    .action(async (words: string[], options: FeedSearchFlags) =>
      (await import("./feed.ts")).search(papers, words, options),
    );
}

/** The arguments that continue a run of `train`: those that were given, except the one that begins anew. */
const trainArguments = ({ fresh: _, ...options }: TrainFlags): readonly string[] =>
  Object.entries(options).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
