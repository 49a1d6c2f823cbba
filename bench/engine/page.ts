/** The report of a group as a page: one self-contained HTML file. */
import { type ReportSection, renderSections } from "../../src/report/index.ts";
import { type Change, changesTable, regressionText } from "./history.ts";
import type { Job } from "./job.ts";
import { type EngineReport, type EngineResult, timesTable } from "./report.ts";
import { roofText } from "./roof.ts";

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

function jobSection(job: Job, result: EngineResult, report: EngineReport): ReportSection {
  const { results, failures, rates } = result;
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
        ...timesTable(job, result, nameOf),
      },
    ],
  };
}
