/** Profiles as tables and a flame view: where the time of graphs goes. */
import { fileURLToPath, process, relative } from "#platform";
import type { Frame, Profile, ProfileEntry } from "../array/index.ts";
import type { Flame, FlameNode, Table } from "./figure.ts";
import { formatNumber } from "./format.ts";

/** Entries that have something in common, summed. */
export interface ProfileRow {
  readonly name: string;
  readonly seconds: number;
  /** Of the seconds those that gradients took. */
  readonly gradientSeconds: number;
  readonly calls: number;
  readonly bytes: number;
  readonly operations: number;
}

/** What is left of the time of runs: feeding graphs, copying results, handing work to threads. */
export const OVERHEAD = "between operators";
const UNKNOWN = "(the runtime)";

/** What each primitive took, the most first; together they are all the time. */
export const byPrimitive = (profile: Profile): readonly ProfileRow[] => rowsOf(profile, ({ primitive }) => primitive);

/** What each line took that asked for primitives of the array language, the most first. */
export const byLine = (profile: Profile): readonly ProfileRow[] =>
  rowsOf(profile, ({ frames }) => {
    const frame = frames.at(-1);
    return frame ? lineOf(frame) : UNKNOWN;
  });

function rowsOf(profile: Profile, nameOf: (entry: ProfileEntry) => string): readonly ProfileRow[] {
  const rows = new Map<string, { -readonly [K in keyof ProfileRow]: ProfileRow[K] }>();
  for (const entry of [...profile.entries, overheadOf(profile)]) {
    const name = entry.primitive === OVERHEAD ? OVERHEAD : nameOf(entry);
    const row = rows.get(name) ?? { name, seconds: 0, gradientSeconds: 0, calls: 0, bytes: 0, operations: 0 };
    row.seconds += entry.seconds;
    row.gradientSeconds += entry.gradient ? entry.seconds : 0;
    row.calls += entry.calls;
    row.bytes += entry.bytes;
    row.operations += entry.operations;
    rows.set(name, row);
  }
  return [...rows.values()].sort((a, b) => b.seconds - a.seconds);
}

const overheadOf = ({ entries, seconds }: Profile): ProfileEntry => ({
  primitive: OVERHEAD,
  gradient: false,
  frames: [],
  seconds: Math.max(
    0,
    entries.reduce((rest, entry) => rest - entry.seconds, seconds),
  ),
  calls: 0,
  bytes: 0,
  operations: 0,
});

/** `multiHeadAttention src/nn/attention.ts:92`, the path as seen from the working folder. */
const lineOf = ({ name, file, line }: Frame): string => [name, `${pathOf(file)}:${line}`].filter(Boolean).join(" ");

function pathOf(file: string): string {
  if (!file.startsWith("file://")) return file;
  const path = fileURLToPath(file);
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}

/** Rows of a table that a reader takes in; the rest is one row. */
const SHOWN = 20;

/** A table of the rows with the most time: seconds, share, share of gradients, calls, and rates where they mean something. */
export function profileTable(title: string, first: string, rows: readonly ProfileRow[], caption?: string): Table {
  const total = rows.reduce((sum, { seconds }) => sum + seconds, 0);
  const rest = rows.slice(SHOWN);
  const shown =
    rest.length === 0
      ? rows
      : [...rows.slice(0, SHOWN), rest.reduce(joined, { ...EMPTY, name: `${rest.length} others` })];
  const rate = (amount: number, seconds: number): string =>
    amount > 0 && seconds > 0 ? (amount / seconds / 1e9).toFixed(1) : "";
  return {
    kind: "table",
    title,
    ...(caption === undefined ? {} : { caption }),
    columns: [first, "ms", "%", "of it gradients, %", "calls", "GFLOP/s", "GB/s"],
    rows: shown.map(({ name, seconds, gradientSeconds, calls, bytes, operations }) => [
      name,
      (1000 * seconds).toFixed(1),
      percent(seconds, total),
      percent(gradientSeconds, seconds),
      calls === 0 ? "" : formatNumber(calls),
      rate(operations, seconds),
      rate(bytes, seconds),
    ]),
  };
}

const EMPTY: ProfileRow = { name: "", seconds: 0, gradientSeconds: 0, calls: 0, bytes: 0, operations: 0 };

const joined = (a: ProfileRow, b: ProfileRow): ProfileRow => ({
  name: a.name,
  seconds: a.seconds + b.seconds,
  gradientSeconds: a.gradientSeconds + b.gradientSeconds,
  calls: a.calls + b.calls,
  bytes: a.bytes + b.bytes,
  operations: a.operations + b.operations,
});

const percent = (part: number, whole: number): string => (whole > 0 ? ((100 * part) / whole).toFixed(1) : "0.0");

/** The functions of a program, each as wide as the time of what it asked for; primitives stand at the bottom. */
export function profileFlame(profile: Profile): Flame {
  const root = new Branch("all runs");
  for (const entry of [...profile.entries, overheadOf(profile)]) {
    let branch = root;
    for (const frame of entry.frames) branch = branch.part(frame.name || pathOf(frame.file), lineOf(frame));
    branch.part(entry.primitive, "", seriesOf(entry)).amount += 1000 * entry.seconds;
  }
  return {
    kind: "flame",
    title: "Time by function",
    caption:
      "Each bar is a function, as wide as the time of the operators that it and the functions below it asked for; rest the pointer on one for its line. What was traced once runs many times.",
    unit: "ms",
    root: root.node(),
  };
}

const seriesOf = ({ primitive, gradient }: ProfileEntry): string =>
  primitive === OVERHEAD || primitive.startsWith("(") ? "the runtime" : gradient ? "gradients" : "forward";

class Branch {
  amount = 0;
  readonly #parts = new Map<string, Branch>();

  readonly name: string;
  readonly detail: string;
  readonly series: string | undefined;

  constructor(name: string, detail = "", series?: string) {
    this.name = name;
    this.detail = detail;
    this.series = series;
  }

  part(name: string, detail: string, series?: string): Branch {
    const key = JSON.stringify([name, detail, series]);
    const part = this.#parts.get(key) ?? new Branch(name, detail, series);
    this.#parts.set(key, part);
    return part;
  }

  node(): FlameNode {
    const parts = [...this.#parts.values()].map((part) => part.node());
    return {
      name: this.name,
      amount: parts.reduce((sum, { amount }) => sum + amount, this.amount),
      parts,
      ...(this.series === undefined ? {} : { series: this.series }),
      ...(this.detail === "" ? {} : { detail: this.detail }),
    };
  }
}
