#!/usr/bin/env node
/** The command line. Verbs are loaded when they are used, so that short commands start quickly. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { UnknownPaperError } from "../papers/index.ts";
import { scales } from "../report/study.ts";

/** Exit code for wrong usage, as shells and GNU tools have it. */
const USAGE = 2;

/** A whole number of at least 1. */
function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number of at least 1.");
  return value;
}

/** `0,1,2` */
function seedList(text: string): number[] {
  const seeds = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!seeds.every((seed) => Number.isSafeInteger(seed)))
    throw new InvalidArgumentError("expected whole numbers with commas between them.");
  if (new Set(seeds).size !== seeds.length) throw new InvalidArgumentError("a seed is named twice.");
  return seeds;
}

const program = new Command("fourward")
  .description("A workbench for feed-forward and Fourier networks: papers that run, on your machine.")
  .version("0.1.0", "-V, --version", "print the version")
  .showHelpAfterError("(fourward --help shows what there is)")
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

program
  .command("list")
  .description("list the papers and whether they run")
  .option("--search <words>", "only papers in which all words occur")
  .option("--implemented", "only papers that run")
  .option("--json", "print JSON")
  .action(async (options: { search?: string; implemented?: boolean; json?: boolean }) =>
    (await import("./list.ts")).list(options),
  );

program
  .command("show <paper>")
  .description("show what a paper is and what it claims (by slug, number or title)")
  .option("--json", "print JSON")
  .action(async (paper: string, options: { json?: boolean }) => (await import("./show.ts")).show(paper, options));

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
  .addOption(new Option("--seed <n>", "run with this one seed").argParser((text) => seedList(text)).conflicts("seeds"))
  .option("--seeds <list>", "run with these seeds, e.g. 0,1,2", seedList)
  .option("--device <device>", "cpu, webgpu or cuda", "cpu")
  .option("--threads <n>", "threads for one operation (default: all cores)", count)
  .option("--out <folder>", "where reports go", "reports")
  .option("--fresh", "do not continue an interrupted run")
  .option("--quiet", "no progress")
  .option("--json", "print the result as JSON, and nothing else on standard output")
  .action(async (paper: string, options: import("./run.ts").RunFlags) =>
    (await import("./run.ts")).run(paper, options),
  );

// A reader that has seen enough, such as head, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  else {
    process.stderr.write(`fourward: ${error instanceof Error ? error.message : String(error)}\n`);
    if (process.env.FOURWARD_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exitCode ||= error instanceof UnknownPaperError ? USAGE : 1;
  }
}
