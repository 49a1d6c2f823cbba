/** The report of a group as a page: one self-contained HTML file. */
import { type ReportSection, renderSections } from "../../src/report/index.ts";
import { digits, times } from "../table.ts";
import { type Change, changesTable, regressionText } from "./history.ts";
import type { Job } from "./job.ts";
import type { EngineReport, EngineResult } from "./report.ts";
import { rateCells, roofText, workFor } from "./roof.ts";

/** Draws the page. `jobs` are the jobs that were run. */
export const renderEngine = (report: EngineReport, jobs: readonly Job[], changes: readonly Change[]): string =>
  renderSections({
    kicker: "bench",
    title: `Speed: ${report.group}`,
    text: `${regressionText(changes)} Times are medians over rounds in which all systems take turns.`,
    device: "cpu",
    facts: [
      ["Command", `npm run bench -- ${report.group}`],
      ["Measured", `${report.date}, ${report.rounds} rounds, ${report.threads} threads`],
      ...Object.values(report.peers).map(({ name, version }) => [name, version] as const),
      ...report.skipped.map((line) => ["Left out", line] as const),
    ],
    sections: [
      ...report.jobs.flatMap((result) => {
        const job = jobs.find(({ id }) => id === result.job);
        return job && result.results.length > 0 ? [jobSection(job, result, report)] : [];
      }),
      {
        title: "Since the last record",
        text: regressionText(changes),
        figures: [{ kind: "table", title: "Time now over time before", ...changesTable(changes) }],
      },
    ],
  });

function jobSection(job: Job, { results, failures, rates, works }: EngineResult, report: EngineReport): ReportSection {
  const nameOf = (peer: string): string => report.peers[peer]?.name ?? peer;
  return {
    title: job.id,
    text: job.title,
    notes: [
      ...(rates ? [roofText(rates).replace(/^- /, "")] : []),
      ...failures.map(({ peer, reason }) => `${nameOf(peer)}: ${reason}`),
    ],
    figures: [
      {
        kind: "bars",
        title: `Time of a ${job.unit}`,
        y: { label: "ms" },
        bars: results.map(({ peer, label, milliseconds: { median, low, high } }) => ({
          group: `${nameOf(peer)}, ${label}`,
          series: nameOf(peer),
          y: median,
          low,
          high,
        })),
      },
      {
        kind: "table",
        title: `Times of ${job.id}`,
        columns: [
          "system",
          `ms a ${job.unit}`,
          "range",
          ...Object.keys(rateCells(workFor(works, ""), rates, 1)),
          "ratio",
          "range",
        ],
        rows: results.map(({ peer, entrant, label, milliseconds, ratio }) => [
          `${nameOf(peer)}, ${label}`,
          digits(milliseconds.median),
          `${digits(milliseconds.low)} to ${digits(milliseconds.high)}`,
          ...Object.values(rateCells(workFor(works, entrant), rates, milliseconds.median)),
          times(ratio.median),
          `${times(ratio.low)} to ${times(ratio.high)}`,
        ]),
      },
    ],
  };
}
