/** `fourward run` */
import { setDefaults } from "../array/index.ts";
import { findPaper, studies, UnknownPaperError } from "../papers/index.ts";
import { formatDuration, measuredText, publishedText } from "../report/format.ts";
import type { StudyResult } from "../report/result.ts";
import { runStudy } from "../report/run.ts";
import { type Scale, SkippedError, StoppedError, type Study } from "../report/study.ts";
import { ProgressLine } from "./progress.ts";
import { columns } from "./text.ts";

export interface RunFlags {
  readonly scale: Scale;
  readonly seed?: readonly number[];
  readonly seeds?: readonly number[];
  readonly device: string;
  readonly threads?: number;
  readonly out: string;
  readonly fresh?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Exit code after Ctrl-C, as shells have it. */
const INTERRUPTED = 130;

/** Runs a paper's study and prints its claims beside what was measured. */
export async function run(query: string, flags: RunFlags): Promise<void> {
  const entry = findPaper(query);
  const load = studies[entry.slug];
  if (!load)
    throw new UnknownPaperError(
      `"${entry.slug}" cannot be run yet; fourward list --implemented shows the papers that can`,
    );
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  await runAndPrint(await load(), flags);
}

/** Runs a study with a progress line, stops cleanly on Ctrl-C, and prints the outcome. */
export async function runAndPrint(study: Study, flags: RunFlags): Promise<void> {
  const command = commandOf(study.slug, flags);
  const line = new ProgressLine();
  const abort = new AbortController();
  const interrupt = (): void => {
    if (abort.signal.aborted) process.exit(INTERRUPTED);
    abort.abort();
    line.end();
    process.stderr.write("stopping after the current piece; again to stop at once\n");
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const seeds = flags.seed ?? flags.seeds;
  try {
    const result = await runStudy(study, {
      scale: flags.scale,
      device: flags.device,
      out: flags.out,
      command,
      signal: abort.signal,
      ...(seeds ? { seeds } : {}),
      ...(flags.fresh ? { fresh: true } : {}),
      ...(flags.quiet ? {} : { onProgress: (progress) => line.update(progress) }),
    });
    line.end();
    process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : `${outcomeText(result)}\n`);
  } catch (error) {
    line.end();
    if (error instanceof SkippedError) {
      process.stderr.write(`skipped: ${error.message}\n`);
      if (flags.json)
        process.stdout.write(
          `${JSON.stringify({ paper: { slug: study.slug, number: study.number }, skipped: error.message })}\n`,
        );
    } else if (error instanceof StoppedError || abort.signal.aborted) {
      process.stderr.write(`stopped; what is done is kept, and this continues it: ${command}\n`);
      process.exitCode = INTERRUPTED;
    } else throw error;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

/** The command that repeats a run. */
function commandOf(slug: string, { scale, seed, seeds, device, threads, out }: RunFlags): string {
  const list = seed ?? seeds;
  const parts = [`fourward run ${slug} --scale ${scale}`];
  if (list) parts.push(`--seeds ${list.join(",")}`);
  if (device !== "cpu") parts.push(`--device ${device}`);
  if (threads !== undefined) parts.push(`--threads ${threads}`);
  if (out !== "reports") parts.push(`--out ${/^[\w./-]+$/.test(out) ? out : JSON.stringify(out)}`);
  return parts.join(" ");
}

/** The claim table and where the report is. */
function outcomeText(result: StudyResult): string {
  const rows = result.claims.map((claim) => [claim.text, publishedText(claim), measuredText(claim), claim.verdict]);
  return [
    `${result.paper.number}. ${result.paper.title}`,
    `scale ${result.scale}, ${result.seeds.length} ${result.seeds.length === 1 ? "seed" : "seeds"}, ${formatDuration(result.seconds)}`,
    ...(result.scale === "smoke"
      ? ["At smoke scale only the mechanism is exercised: the verdicts are no evidence."]
      : []),
    "",
    columns([["claim", "published", "measured", "verdict"], ...rows], { align: ["left", "right", "right", "left"] }),
    ...(result.notes.length ? ["", ...result.notes] : []),
    "",
    `report  ${result.artifacts.find((path) => path.endsWith(".html"))}`,
    `repeat  ${result.command}`,
  ].join("\n");
}
