/** The command line of the benchmarks: `npm run bench -- <group>`. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { groups } from "./engine/groups.ts";
import type { Job } from "./engine/job.ts";
import { peerIds } from "./engine/peers.ts";
import { profile } from "./engine/profile.ts";
import { type GroupOptions, runGroup } from "./group.ts";
import { type LoadBenchOptions, loadText, loadTypes, runLoad } from "./load.ts";
import { type ClientsBenchOptions, clientsText, runClients } from "./serving/clients.ts";
import { type DecodeBenchOptions, decodeText, runDecode } from "./serving/decode.ts";
import { type ReadersBenchOptions, readersText, runReaders } from "./studio/readers.ts";
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

const program = new Command("bench").description("Times Fourward beside its peers, in one run and in turn.");
const profiledIds = groups.flatMap((group) => group.jobs("full").map(({ id }) => id));

for (const group of groups) {
  const ids = group.jobs("full").map(({ id }) => id);
  comparisonOptions(program.command(group.name).description(group.description))
    .option("--jobs <names>", `jobs, separated by commas: ${ids.join(", ")}`, namesOf(ids), ids)
    .action((options: GroupOptions) => runGroup(group, options));
}
// Without the name of a group: all of them.
comparisonOptions(
  program.command("all", { isDefault: true }).description("All groups above, one after the other."),
).action(async (options: GroupOptions) => {
  for (const group of groups) await runGroup(group, options);
});

function comparisonOptions(command: Command): Command {
  return command
    .option("--peers <names>", `systems, separated by commas: ${peerIds.join(", ")}`, namesOf(peerIds), [...peerIds])
    .option("--rounds <n>", "how often each is timed", count, 5)
    .option("--threads <n>", "threads of each system", count, availableParallelism())
    .option("--python <path>", "an interpreter that has torch; python3 and /usr/bin/python3 are tried otherwise")
    .option("--tiny", "jobs so small that they only show that all works")
    .option("--record", "append the figures to the history of this kind of machine, bench/history")
    .option("--out <folder>", "where <group>.json and <group>.html are written", "runs/bench")
    .option("--json", "print JSON only");
}

program
  .command("profile")
  .description("Where the time of one step of Fourward goes, by primitive or by line.")
  .argument("<job>", `a job: ${profiledIds.join(", ")}`, (text) => namesOf(profiledIds)(text)[0] as string)
  .option("--lines", "by line of the program instead of by primitive")
  .option("--threads <n>", "threads", count, availableParallelism())
  .action(async (id: string, { lines = false, threads }: { readonly lines?: boolean; readonly threads: number }) => {
    const job = groups.flatMap((group) => group.jobs("full")).find((one) => one.id === id) as Job;
    process.stdout.write(`${await profile(job, threads, lines)}\n`);
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

program
  .command("load")
  .description("Memory and time of fourward generate with a large random checkpoint, to the first token.")
  .option("--types <names>", `types of the stored weights: ${loadTypes.join(", ")}`, namesOf(loadTypes), [...loadTypes])
  .option("--gigabytes <n>", "size of each file", Number, 2)
  .option("--folder <path>", "where the checkpoints are written", "runs/load")
  .option("--rounds <n>", "how often each is measured", count, 3)
  .option("--flags <words...>", "further arguments of fourward generate", [])
  .option("--json", "print JSON only")
  .action(async ({ json, ...options }: Omit<LoadBenchOptions, "log"> & { readonly json?: true }) => {
    const figures = await runLoad({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
    process.stdout.write(json ? `${JSON.stringify(figures, null, 2)}\n` : loadText(figures));
  });

program
  .command("serve")
  .description("fourward serve under many clients that stream at once: tokens a second, waiting, memory, mix-ups.")
  .option("--model <model>", "folder or name of the model", "fourward-4m")
  .option("--clients <n>", "clients at once", count, 200)
  .option("--tokens <n>", "new tokens of each request", count, 32)
  .option("--rounds <n>", "rounds", count, 5)
  .option("--rows <n>", "requests that are computed together", count, 16)
  .option("--threads <n>", "threads", count, availableParallelism())
  .option("--json", "print JSON only")
  .action(async ({ json, ...options }: Omit<ClientsBenchOptions, "log"> & { readonly json?: true }) => {
    const report = await runClients({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : clientsText(report));
  });

program
  .command("studio")
  .description("fourward studio under many readers at once: requests a second, waiting, failures.")
  .option("--readers <n>", "connections at once", count, 1000)
  .option("--seconds <n>", "seconds for each address", count, 30)
  .option("--paths <list>", "addresses", (text) => text.split(","), ["/", "/api/papers", "/papers/moefication"])
  .option("--json", "print JSON only")
  .action(async ({ json, ...options }: Omit<ReadersBenchOptions, "log"> & { readonly json?: true }) => {
    const figures = await runReaders({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
    process.stdout.write(json ? `${JSON.stringify(figures, null, 2)}\n` : readersText(figures));
  });

program
  .command("decode")
  .description("A token at batch 1 and in batches, beside the rate at which the machine copies memory.")
  .option(
    "--models <names>",
    "folders or names of models, or random-100m, separated by commas; -int8 or -int4 at the end rounds their weights",
    "fourward-4m,random-100m",
  )
  .option("--rows <list>", "texts that are computed together", (text) => text.split(",").map(count), [1, 8])
  .option("--prompt <n>", "tokens that stand before", count, 48)
  .option("--tokens <n>", "tokens that are timed in a round", count, 16)
  .option("--rounds <n>", "how often each is timed", count, 5)
  .option("--threads <n>", "threads", count, availableParallelism())
  .option("--json", "print JSON only")
  .action(
    async ({
      json,
      models,
      ...options
    }: Omit<DecodeBenchOptions, "log" | "models"> & { readonly models: string; readonly json?: true }) => {
      const log = (line: string) => process.stderr.write(`${line}\n`);
      const report = await runDecode({ ...options, models: models.split(","), log });
      process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : decodeText(report));
    },
  );

await program.parseAsync();
