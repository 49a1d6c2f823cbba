/** Profiles: where the time of graphs goes, by primitive and by the line of the program that asked for it. */
import type { KernelTimes, Session } from "./runtime/runtime.ts";
import { type Frame, recordSites } from "./site.ts";
import type { Node } from "./tensor.ts";

/** What one primitive took that one place of a program asked for. */
export interface ProfileEntry {
  /** The primitive; for operators that the runtime adds by itself, its name for them in brackets. */
  readonly primitive: string;
  /** Whether it is part of a gradient; its frames are then those of what was differentiated. */
  readonly gradient: boolean;
  /** The functions that asked for it, the outermost first; empty where that is not known. */
  readonly frames: readonly Frame[];
  readonly seconds: number;
  /** How often it ran. */
  readonly calls: number;
  /** Bytes of its operands and results over all calls; what the runtime only looks at otherwise counts too. */
  readonly bytes: number;
  /** Floating-point operations of products over all calls, as `flopCount` counts them. */
  readonly operations: number;
}

/** Where the time of some runs went. */
export interface Profile {
  /** What took the most time first. Together they take less than `seconds`: the rest lies between operators. */
  readonly entries: readonly ProfileEntry[];
  /** All runs of graphs, waiting for each other not counted. */
  readonly seconds: number;
  readonly runs: number;
  /** The share of `seconds` in which operators were measured; the figures of entries are scaled up to all of it. */
  readonly recorded: number;
}

interface Measured {
  readonly session: Promise<Session>;
  readonly origins: ReadonlyMap<string, Node<never>>;
}

/** Collects the sessions that are loaded while a profile is taken. */
export class Recorder {
  static #count = 0;
  /** Tells the sessions of this profile from others of the same graph. */
  readonly name = `profile ${Recorder.#count++}`;
  readonly #measured: Measured[] = [];

  /** Runs a trace whose nodes remember where they were made. */
  tracing<R>(trace: () => R): R {
    const stop = recordSites();
    try {
      return trace();
    } finally {
      stop();
    }
  }

  add(session: Promise<Session>, origins: ReadonlyMap<string, Node<never>>): void {
    session.catch(() => undefined);
    this.#measured.push({ session, origins });
  }

  /** Ends the measurement of all sessions and joins what they took. Sessions that could not be loaded are left out. */
  async end(): Promise<Profile> {
    const found = await Promise.all(
      this.#measured.map(async ({ session, origins }) => {
        const loaded = await session.catch(() => undefined);
        return loaded ? [{ times: await loaded.kernels(), origins }] : [];
      }),
    );
    return joined(found.flat());
  }
}

let current: Recorder | undefined;

/** What measures graphs that do not ask for it themselves; undefined unless `profiled` runs. */
export const recorder = (): Recorder | undefined => current;

/**
 * Runs `work` and measures where the time of every graph that it runs goes, by primitive and by line of the program.
 * Tracing and running take a little longer than without. Of each graph the first three seconds are recorded, and scaled
 * up to all its runs. Throws if a profile is being taken already.
 */
export async function profiled<R>(work: () => R | Promise<R>): Promise<{ result: R; profile: Profile }> {
  if (current) throw new Error("profiled: a profile is being taken already; wait for it, or take one of all the work");
  const recorder = new Recorder();
  current = recorder;
  const stop = recordSites();
  try {
    const result = await work();
    return { result, profile: await recorder.end() };
  } finally {
    stop();
    current = undefined;
    // Traces of work that failed are read, too: that is what removes them.
    await recorder.end().catch(() => undefined);
  }
}

function joined(sessions: readonly { times: KernelTimes; origins: ReadonlyMap<string, Node<never>> }[]): Profile {
  const entries = new Map<string, { -readonly [K in keyof ProfileEntry]: ProfileEntry[K] }>();
  for (const { times, origins } of sessions) {
    const scale = times.recorded.seconds > 0 ? times.all.seconds / times.recorded.seconds : 0;
    const counted = new Set<Node<never>>();
    for (const kernel of times.kernels) {
      const node = originOf(kernel.name, origins);
      const primitive = node?.rules.name ?? `(${kernel.operator})`;
      const frames = node?.site?.frames() ?? [];
      const gradient = node?.site?.gradient ?? false;
      const key = JSON.stringify([primitive, gradient, frames]);
      const entry = entries.get(key) ?? { primitive, gradient, frames, seconds: 0, calls: 0, bytes: 0, operations: 0 };
      entry.seconds += scale * kernel.seconds;
      entry.bytes += scale * kernel.bytes;
      // A primitive of several operators ran as often as the first of them that is met.
      if (!node || !counted.has(node)) {
        entry.calls += Math.round(scale * kernel.calls);
        entry.operations += scale * kernel.calls * (node?.rules.operations?.(node) ?? 0);
      }
      if (node) counted.add(node);
      entries.set(key, entry);
    }
  }
  const sum = (of: (times: KernelTimes) => number): number =>
    sessions.reduce((total, { times }) => total + of(times), 0);
  const seconds = sum(({ all }) => all.seconds);
  return {
    entries: [...entries.values()].sort((a, b) => b.seconds - a.seconds),
    seconds,
    runs: sum(({ all }) => all.runs),
    recorded: seconds > 0 ? sum(({ recorded }) => recorded.seconds) / seconds : 1,
  };
}

/** The node that an operator comes from. One that the runtime joined of several has a name that begins with one of theirs. */
function originOf(name: string, origins: ReadonlyMap<string, Node<never>>): Node<never> | undefined {
  for (let end = name.length; end > 0; end = name.lastIndexOf("/", end - 1)) {
    const origin = origins.get(name.slice(0, end));
    if (origin) return origin;
  }
  return undefined;
}
