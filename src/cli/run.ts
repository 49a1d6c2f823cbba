/** `fourward run` */
import { dirname } from "node:path";
import { setDefaults } from "../array/index.ts";
import { findPaper, type Library } from "../papers/index.ts";
import { formatDuration, measuredText, publishedText } from "../report/format.ts";
import type { StudyResult } from "../report/result.ts";
import { runStudy } from "../report/run.ts";
import { type Scale, SkippedError, StoppedError, type Study } from "../report/study.ts";
import { commandPrefix, quoted } from "./command.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { withProfile } from "./profile.ts";
import { ProgressLine } from "./progress.ts";
import { columns, wrap } from "./text.ts";

export interface RunFlags {
  readonly scale: Scale;
  readonly seed?: number;
  readonly seeds?: readonly number[];
  readonly device: string;
  readonly threads?: number;
  readonly out: string;
  readonly fresh?: boolean;
  readonly profile?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Runs a paper's study and prints its claims beside what was measured. */
export async function run({ catalogue, studies }: Library, query: string, flags: RunFlags): Promise<void> {
  const { slug } = findPaper(query, catalogue);
  const load = studies[slug];
  if (!load) throw new Error(`${slug} cannot be run yet; fourward list --implemented shows the papers that can`);
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const study = await load();
  const seeds = flags.seed === undefined ? flags.seeds : [flags.seed];
  const command = commandOf(study.slug, flags, seeds);
  const { profile, device } = flags;
  await withProfile({ profile, device, title: study.title, command }, () => runAndPrint(study, flags, seeds, command));
}

/** Runs a study with a progress line, stops cleanly on Ctrl-C, and prints the outcome; gives the folder of the report. */
async function runAndPrint(
  study: Study,
  flags: RunFlags,
  seeds: readonly number[] | undefined,
  command: string,
): Promise<string | undefined> {
  const line = new ProgressLine();
  const interrupts = listenForInterrupts(() => {
    line.end();
    process.stderr.write("stopping after the current piece; press again to stop at once\n");
  });
  try {
    const result = await runStudy(study, {
      scale: flags.scale,
      device: flags.device,
      out: flags.out,
      command,
      signal: interrupts.signal,
      ...(seeds ? { seeds } : {}),
      ...(flags.fresh ? { fresh: true } : {}),
      ...(flags.quiet
        ? {}
        : {
            onProgress: (progress) => {
              // Nothing is drawn below the words that say it stops.
              if (!interrupts.signal.aborted) line.update(progress);
            },
          }),
    });
    line.end();
    const next = (study.next ?? []).map((command) => `next    ${commandPrefix()} ${command}`);
    process.stdout.write(
      `${flags.json ? JSON.stringify(result, null, 2) : [outcomeText(result), ...next].join("\n")}\n`,
    );
    return dirname(reportOf(result) as string);
  } catch (error) {
    line.end();
    if (error instanceof StoppedError || interrupts.signal.aborted) {
      process.stderr.write(`stopped; what is done is kept, and this continues it: ${command}\n`);
      process.exitCode = INTERRUPTED;
      return undefined;
    }
    if (error instanceof SkippedError && flags.json)
      process.stdout.write(
        `${JSON.stringify({ paper: { slug: study.slug, number: study.number }, skipped: error.message })}\n`,
      );
    throw error;
  } finally {
    interrupts.release();
  }
}

/** The command that repeats a run. */
function commandOf(slug: string, flags: RunFlags, seeds: readonly number[] | undefined): string {
  const { scale, device, threads, out } = flags;
  const parts = [`${commandPrefix()} run ${slug} --scale ${scale}`];
  if (seeds) parts.push(seeds.length === 1 ? `--seed ${seeds[0]}` : `--seeds ${seeds.join(",")}`);
  if (device !== "cpu") parts.push(`--device ${device}`);
  if (threads !== undefined) parts.push(`--threads ${threads}`);
  if (out !== "reports") parts.push(`--out ${quoted(out)}`);
  return parts.join(" ");
}

const reportOf = ({ artifacts }: StudyResult): string | undefined =>
  artifacts.find((path) => path.endsWith("report.html"));

/** The claim table and where the report is. */
function outcomeText(result: StudyResult): string {
  const { paper, scale, seeds, seconds, evidence, claims, notes, command } = result;
  const verdict = evidence ? "verdict" : "mechanism only";
  const rows = claims.map((claim) => [claim.text, publishedText(claim), measuredText(claim), claim.verdict]);
  return [
    `${paper.number}. ${paper.title}`,
    `scale ${scale}, ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}, ${formatDuration(seconds)}`,
    ...(evidence ? [] : ["At smoke scale only the mechanism is exercised: the verdicts are no evidence."]),
    "",
    columns([["claim", "published", "measured", verdict], ...rows], {
      align: ["left", "right", "right", "left"],
      wrapped: 0,
    }),
    ...notes.flatMap((note) => ["", wrap(note)]),
    "",
    `report  ${reportOf(result)}`,
    `repeat  ${command}`,
  ].join("\n");
}
