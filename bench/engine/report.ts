/** The results of a comparison as text: Markdown tables that read well on a terminal. */
import type { Machine } from "../../src/report/machine.ts";
import { type JobResult, type Result, TOLERANCE } from "../compare.ts";
import type { PeerFacts } from "../peer.ts";
import { summarize } from "../statistics.ts";
import { digits, table, times } from "../table.ts";
import type { Job } from "./job.ts";
import { blasText } from "./peers.ts";
import { rateCells, roofText, workFor } from "./roof.ts";
import type { Work } from "./work.ts";

/** Times of making the session of a training step, one entry a round. */
export interface Creation {
  readonly job: string;
  readonly rounds: readonly {
    readonly traceMs: number;
    readonly createMs: number;
    readonly firstCallMs: number;
    readonly secondCallMs: number;
    readonly modelBytes: number;
  }[];
}

/** Results of a job, and what its step costs. */
export type EngineResult = JobResult & { readonly works: readonly Work[] };

export interface EngineReport {
  readonly group: string;
  readonly date: string;
  readonly machine: Machine;
  readonly threads: number;
  readonly rounds: number;
  readonly peers: Readonly<Record<string, PeerFacts>>;
  /** Plain sentences on peers that were skipped. */
  readonly skipped: readonly string[];
  readonly jobs: readonly EngineResult[];
  readonly creation: Creation | null;
}

/** A report as text. `jobs` are the jobs that were run. */
export function reportText(report: EngineReport, jobs: readonly Job[]): string {
  const nameOf = (peer: string): string => report.peers[peer]?.name ?? peer;
  const sections = [heading(report)];
  for (const result of report.jobs) {
    const job = jobs.find(({ id }) => id === result.job);
    if (job) sections.push(jobText(job, result, nameOf));
  }
  if (report.creation) sections.push(creationText(report.creation));
  sections.push(summaryText(report, jobs));
  return `${sections.join("\n\n")}\n`;
}

function heading({ date, machine, threads, rounds, peers, skipped }: EngineReport): string {
  const facts = Object.values(peers).map(({ name, version, threads, blas, kernels, notes = [] }) => {
    const parts = [
      `${threads} ${threads === 1 ? "thread" : "threads"}`,
      ...(blas ? [blasText(blas, kernels)] : []),
      ...notes,
    ];
    return `- ${name} ${version}: ${parts.join("; ")}`;
  });
  return [
    `Measured ${date}. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}.`,
    `${threads} ${threads === 1 ? "thread" : "threads"}, ${rounds} rounds in turn; median (lowest to highest). "Ratio" is a row's time over that of the first row, above 1x where the first row is faster.`,
    "",
    ...facts,
    ...skipped.map((line) => `- ${line}`),
  ].join("\n");
}

const spread = (
  { low, high }: { readonly low: number; readonly high: number },
  text: (value: number) => string,
): string => `${text(low)} to ${text(high)}`;

/** Times of all systems at a job, with their rates and ratios, as columns and rows of text. */
export function timesTable(
  job: Job,
  { results, reference, works, rates }: EngineResult,
  nameOf: (peer: string) => string,
): { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const columns = [
    "system",
    `ms a ${job.unit}`,
    "range",
    ...Object.keys(rateCells(workFor(works, ""), rates, 1)),
    "ratio",
    "range",
    "first results off by",
  ];
  const rows = results.map(({ peer, entrant, label, milliseconds, ratio, difference }) => [
    `${nameOf(peer)}, ${label}`,
    digits(milliseconds.median),
    spread(milliseconds, digits),
    ...Object.values(rateCells(workFor(works, entrant), rates, milliseconds.median)),
    times(ratio.median),
    spread(ratio, times),
    peer === reference && difference === 0 ? "reference" : difference === 0 ? "0" : difference.toExponential(0),
  ]);
  return { columns, rows };
}

function jobText(job: Job, result: EngineResult, nameOf: (peer: string) => string): string {
  const { failures, rates } = result;
  const { columns, rows } = timesTable(job, result, nameOf);
  return [
    `### ${job.title} (${job.id})`,
    "",
    ...(rows.length > 0 ? [table(columns, rows)] : []),
    ...(rates ? [roofText(rates)] : []),
    ...failures.map(({ peer, reason }) => `- ${nameOf(peer)}: ${reason}`),
  ].join("\n");
}

function creationText({ job, rounds }: Creation): string {
  const row = (name: string, values: readonly number[]): string[] => {
    const summary = summarize(values);
    return [name, digits(summary.median), spread(summary, digits)];
  };
  const size = rounds[0]?.modelBytes ?? 0;
  return [
    `### From a function to a session (${job}, one step; model of ${Math.round(size / 1024)} KiB)`,
    "",
    table(
      ["part", "ms", "range"],
      [
        row(
          "trace, differentiate, simplify, encode",
          rounds.map(({ traceMs }) => traceMs),
        ),
        row(
          "create the session",
          rounds.map(({ createMs }) => createMs),
        ),
        row(
          "first call, all of that and the step",
          rounds.map(({ firstCallMs }) => firstCallMs),
        ),
        row(
          "second call",
          rounds.map(({ secondCallMs }) => secondCallMs),
        ),
      ],
    ),
  ].join("\n");
}

/** The faster way of a peer, by its median, among those whose weights are not rounded. */
export const best = ({ results }: JobResult, peer: string): Result | undefined =>
  results
    .filter((one) => one.peer === peer && !one.isRounded)
    .sort((a, b) => a.milliseconds.median - b.milliseconds.median)[0];

/** One row a job: the best entrant of each peer, and its ratio to Fourward's best. */
function summaryText({ jobs: results, peers }: EngineReport, jobs: readonly Job[]): string {
  const others = Object.keys(peers).filter((id) => id !== "fourward");
  const rows = results.flatMap((result) => {
    const job = jobs.find(({ id }) => id === result.job);
    const own = best(result, "fourward");
    if (!job || !own) return [];
    const cells = others.map((peer) => {
      const other = best(result, peer);
      return other ? `${digits(other.milliseconds.median)} (${times(other.ratio.median / own.ratio.median)})` : "-";
    });
    return [[job.id, digits(own.milliseconds.median), ...cells]];
  });
  if (rows.length === 0) return "Nothing was timed with Fourward.";
  const header = ["job", "Fourward, ms", ...others.map((peer) => `${peers[peer]?.name ?? peer}, ms (ratio)`)];
  return [
    "### Summary: the better way of each system",
    "",
    table(header, rows),
    "",
    `Systems whose first results were off by more than ${TOLERANCE} were not timed.`,
  ].join("\n");
}
