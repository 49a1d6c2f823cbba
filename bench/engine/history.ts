/** What was measured before on a machine of this kind, one line a job, and what has changed since. */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Machine } from "../../src/report/machine.ts";
import type { Rates } from "../roofline.ts";
import { digits, table, times } from "../table.ts";
import type { EngineReport } from "./report.ts";

/** One job as it was once measured. */
export interface Entry {
  readonly date: string;
  /** Short name of the commit, with `+` if files had changed since. */
  readonly commit: string;
  readonly group: string;
  readonly job: string;
  readonly threads: number;
  /** Milliseconds a step of each peer's ways, as `peer/way`: median, lowest, highest. */
  readonly ms: { readonly [way: string]: readonly [median: number, low: number, high: number] };
  readonly rates: Rates | null;
}

/** Where histories lie, each in the file of a kind of machine. */
export const historyFolder = fileURLToPath(new URL("../history", import.meta.url));

/** A name for machines whose figures can be compared: processor and cores. */
export const machineKind = ({ cpu, cores }: Pick<Machine, "cpu" | "cores">): string =>
  `${cpu
    .replace(/\((R|TM)\)/gi, "")
    .replace(/@.*$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")}-${cores}-cores`;

const pathOf = (machine: Machine, folder: string): string => join(folder, `${machineKind(machine)}.jsonl`);

/** All entries of this kind of machine, the oldest first; none if there is no file. Throws on a line that is not JSON. */
export function readHistory(machine: Machine, folder = historyFolder): Entry[] {
  const path = pathOf(machine, folder);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Entry]));
}

/** The entries of a report, a job each. */
export const entriesOf = (report: EngineReport, commit: string): Entry[] =>
  report.jobs
    .filter(({ results }) => results.length > 0)
    .map((result) => ({
      date: report.date,
      commit,
      group: report.group,
      job: result.job,
      threads: report.threads,
      ms: Object.fromEntries(
        result.results.map(({ peer, entrant, milliseconds: { median, low, high } }) => [
          `${peer}/${entrant}`,
          [rounded(median), rounded(low), rounded(high)] as const,
        ]),
      ),
      rates: result.rates && {
        gemm: rounded(result.rates.gemm),
        gemmOneThread: rounded(result.rates.gemmOneThread),
        copy: rounded(result.rates.copy),
        copyOneThread: rounded(result.rates.copyOneThread),
        read: rounded(result.rates.read),
      },
    }));

const rounded = (value: number): number => Number(value.toPrecision(5));

/** Appends the entries of a report to the history of its machine's kind; gives the file. */
export function record(report: EngineReport, commit: string, folder = historyFolder): string {
  const path = pathOf(report.machine, folder);
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(
    path,
    entriesOf(report, commit)
      .map((entry) => `${JSON.stringify(entry)}\n`)
      .join(""),
  );
  return path;
}

/** The commit that is checked out, with `+` if tracked files have changed; `unknown` outside a repository. */
export function currentCommit(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd: historyFolder, encoding: "utf8" }).trim();
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+"}`;
  } catch {
    return "unknown";
  }
}

/** A way in which Fourward does a job, beside the last entry of as many threads. */
export interface Change {
  /** `job/way` */
  readonly name: string;
  readonly ms: number;
  readonly msBefore: number | null;
  readonly now: Entry;
  readonly before: Entry | null;
  /** Time now over that of before. */
  readonly factor: number | null;
  readonly isRegression: boolean;
}

/** Slower by more than this, and in every round than the median of before, is a regression. */
const SLOWER = 1.1;

const OWN = "fourward/";

/** What has changed since the last entry of each job, for each of Fourward's ways of doing it. */
export const changesSince = (history: readonly Entry[], entries: readonly Entry[]): Change[] =>
  entries.flatMap((now) => {
    const { group, job, threads } = now;
    const before = history.findLast((one) => one.group === group && one.job === job && one.threads === threads) ?? null;
    return Object.entries(now.ms).flatMap(([way, [ms, low]]): Change[] => {
      if (!way.startsWith(OWN)) return [];
      const msBefore = before?.ms[way]?.[0] ?? null;
      return [
        {
          name: `${job}/${way.slice(OWN.length)}`,
          ...{ ms, msBefore, now, before },
          factor: msBefore === null ? null : ms / msBefore,
          isRegression: msBefore !== null && ms > SLOWER * msBefore && low > msBefore,
        },
      ];
    });
  });

/** Columns and rows of a table of changes. */
export function changesTable(changes: readonly Change[]): { columns: string[]; rows: string[][] } {
  return {
    columns: ["job/way", "ms", "ms before", "change", "of commit", "machine's products", "machine's copies"],
    rows: changes.map(({ name, ms, msBefore, now, before, factor }) => {
      const share = (rate: "gemm" | "copy"): string =>
        now.rates && before?.rates ? times(now.rates[rate] / before.rates[rate]) : "-";
      return [
        name,
        digits(ms),
        msBefore === null ? "-" : digits(msBefore),
        factor === null ? "-" : times(factor),
        before ? `${before.commit}, ${before.date}` : "none",
        share("gemm"),
        share("copy"),
      ];
    }),
  };
}

/** One line that says which jobs have become slower. */
export function regressionText(changes: readonly Change[]): string {
  const slower = changes.filter(({ isRegression }) => isRegression);
  const compared = changes.filter(({ factor }) => factor !== null).length;
  if (compared === 0) return "No record of these jobs on a machine of this kind: nothing to compare with.";
  if (slower.length === 0) return `No regression: none of ${compared} figures is slower than its last record.`;
  const list = slower.map(({ name, factor }) => `${name} ${times(factor as number)}`).join(", ");
  return `REGRESSION: slower than the last record, by its time over that: ${list}.`;
}

/** The table and the line. */
export function changesText(changes: readonly Change[]): string {
  const { columns, rows } = changesTable(changes);
  return `### Since the last record\n\n${table(columns, rows)}\n\n${regressionText(changes)}\n`;
}
