/** The command line of the benchmarks: `npm run bench -- <group>`. */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { type Job, jobs } from "./engine/jobs.ts";
import { type PeerId, peerIds } from "./engine/peers.ts";
import { profile } from "./engine/profile.ts";
import { reportText } from "./engine/report.ts";
import { runEngine } from "./engine/run.ts";
import { runTrain, type TrainBenchOptions, trainText } from "./train/run.ts";

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return value;
};

/** Parser of a list of names, separated by commas, each of which must be known. */
const namesOf =
  <T extends string>(known: readonly T[]) =>
  (text: string): T[] =>
    text.split(",").map((part) => {
      const name = known.find((one) => one === part.trim());
      if (name === undefined) throw new InvalidArgumentError(`"${part}" is none of ${known.join(", ")}.`);
      return name;
    });

interface Options {
  readonly jobs: string[];
  readonly peers: PeerId[];
  readonly rounds: number;
  readonly threads: number;
  readonly python?: string;
  readonly json?: true;
  readonly out?: string;
}

const program = new Command("bench").description("Times Fourward beside its peers, in one run and in turn.");
const jobIds = jobs.map(({ id }) => id);

program
  .command("engine")
  .description("Training steps and Fourier transforms beside PyTorch, tfjs-wasm and jax-js.")
  .option("--jobs <names>", `jobs, separated by commas: ${jobIds.join(", ")}`, namesOf(jobIds), jobIds)
  .option("--peers <names>", `systems, separated by commas: ${peerIds.join(", ")}`, namesOf(peerIds), [...peerIds])
  .option("--rounds <n>", "how often each is timed", count, 7)
  .option("--threads <n>", "threads of each system", count, availableParallelism())
  .option("--python <path>", "an interpreter that has torch; python3 and /usr/bin/python3 are tried otherwise")
  .option("--json", "print JSON only")
  .option("--out <file>", "also write the report there as JSON")
  .action(async ({ json, out, ...options }: Options) => {
    const report = await runEngine({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
    const text = `${JSON.stringify(report, null, 2)}\n`;
    if (out !== undefined) writeFileSync(out, text);
    process.stdout.write(json ? text : reportText(report, jobs));
  });

program
  .command("profile")
  .description("Where the time of one step of Fourward goes, by operator.")
  .argument("<job>", `a job of engine: ${jobIds.join(", ")}`, (text) => namesOf(jobIds)(text)[0] as string)
  .option("--shapes", "tell operators of different results apart")
  .option("--threads <n>", "threads", count, availableParallelism())
  .action(async (id: string, { shapes = false, threads }: { readonly shapes?: boolean; readonly threads: number }) => {
    const job = jobs.find((one) => one.id === id) as Job;
    process.stdout.write(`${await profile(job, threads, shapes)}\n`);
  });

program
  .command("train")
  .description("Training of a recipe (fourward train) beside the same model in eager PyTorch.")
  .option("--config <file>", "the recipe", "configs/fourward-4m.json")
  .option("--rounds <n>", "how often each is timed", count, 5)
  .option("--steps <n>", "steps that are timed in a round", count, 8)
  .option("--threads <n>", "threads of each system", count, availableParallelism())
  .option("--python <path>", "an interpreter that has torch; python3 and /usr/bin/python3 are tried otherwise")
  .option("--json", "print JSON only")
  .action(async ({ json, ...options }: Omit<TrainBenchOptions, "log"> & { readonly json?: true }) => {
    const report = await runTrain({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : trainText(report));
  });

await program.parseAsync();
