/** One group of jobs from start to end: timed, printed, written to files, and recorded if that is asked for. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Group } from "./engine/groups.ts";
import { changesSince, changesText, currentCommit, entriesOf, readHistory, record } from "./engine/history.ts";
import { renderEngine } from "./engine/page.ts";
import type { PeerId } from "./engine/peers.ts";
import { reportText } from "./engine/report.ts";
import { runEngine } from "./engine/run.ts";

export interface GroupOptions {
  /** Names of jobs; all of the group by default. */
  readonly jobs?: readonly string[];
  readonly peers: readonly PeerId[];
  readonly rounds: number;
  readonly threads: number;
  readonly python?: string;
  readonly tiny?: true;
  readonly record?: true;
  readonly out: string;
  readonly json?: true;
}

/** Runs it. What it says while it goes on goes to standard error. */
export async function runGroup(group: Group, options: GroupOptions): Promise<void> {
  const { jobs: names, tiny = false, record: isRecorded = false, out, json = false, ...rest } = options;
  if (tiny && isRecorded) throw new Error("bench: --tiny figures mean nothing and cannot be recorded");
  const log = (line: string): boolean => process.stderr.write(`${line}\n`);
  const all = group.jobs(tiny ? "tiny" : "full");
  const jobs = names ? all.filter(({ id }) => names.includes(id)) : all;
  const found = group.peers?.(rest.threads, rest.peers);
  const report = await runEngine({ ...rest, group: group.name, jobs, roofline: !tiny, log, found });
  const commit = currentCommit();
  const changes = changesSince(tiny ? [] : readHistory(report.machine), entriesOf(report, commit));
  mkdirSync(out, { recursive: true });
  const text = `${JSON.stringify({ ...report, commit }, null, 2)}\n`;
  writeFileSync(join(out, `${group.name}.json`), text);
  writeFileSync(join(out, `${group.name}.html`), renderEngine(report, jobs, changes));
  if (isRecorded) log(`recorded in ${record(report, commit)}`);
  process.stdout.write(json ? text : `${reportText(report, jobs)}\n${changesText(changes)}`);
}
