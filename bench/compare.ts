/** Times the same jobs in several peers, taking turns. */
import { type Command, type Entrant, Peer, type PeerFacts } from "./peer.ts";
import { medianRates, type Rates } from "./roofline.ts";
import { largestDifference, pairedRatio, type Summary, summarize } from "./statistics.ts";

/** One way of one peer, with what was measured. */
export interface Result {
  readonly peer: string;
  readonly entrant: string;
  readonly label: string;
  /** True if its weights are rounded, so that its results need not be those of the others. */
  readonly isRounded: boolean;
  /** Largest relative difference of the first results from those of the reference peer. */
  readonly difference: number;
  /** Milliseconds a step, one figure a round. */
  readonly rounds: readonly number[];
  readonly milliseconds: Summary;
  /** Its time over that of the first entrant of the first peer, round by round. */
  readonly ratio: Summary;
}

export interface JobResult {
  readonly job: string;
  /** The peer whose results the others are compared with. */
  readonly reference: string;
  readonly results: readonly Result[];
  /** Peers that could not do the job, and why. */
  readonly failures: readonly { readonly peer: string; readonly reason: string }[];
  /** What the machine could do meanwhile: medians over the rounds. */
  readonly rates: Rates | null;
}

export interface CompareOptions {
  readonly rounds: number;
  /** Called with a line for each thing that begins. */
  readonly log: (line: string) => void;
  /** Which peer's results are right, if it takes part; else the first. */
  readonly reference: string;
  /** How long a peer may take to set a job up and do its first steps; 90 s by default, so that a group takes minutes. */
  readonly setUpMs?: number;
  /** Measures what the machine can do, once a round; left out, it is not measured. */
  readonly rates?: () => Promise<Rates>;
}

/** Results of peers may differ by so much: float32, summed in another order, over a few steps. */
export const TOLERANCE = 1e-4;

/** A round of one entrant should take about this long. */
const ROUND_MS = 400;
/** All rounds of one entrant should take no longer than this: slow peers get fewer. */
const ENTRANT_MS = 12_000;
const START_LIMIT_MS = 300_000;
const SET_UP_MS = 90_000;
const TIME_LIMIT_MS = 120_000;
/** Threads of the entrant before spin a little while; they must not disturb the next. */
const PAUSE_MS = 40;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Processes of peers, started at first use and again after one has ended. */
export class Peers {
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #open = new Map<string, Peer>();

  constructor(commands: ReadonlyMap<string, Command>) {
    this.#commands = commands;
  }

  get ids(): string[] {
    return [...this.#commands.keys()];
  }

  get(id: string): Peer {
    const open = this.#open.get(id);
    if (open?.isAlive) return open;
    const peer = new Peer(this.#commands.get(id) as Command);
    this.#open.set(id, peer);
    return peer;
  }

  /** What each says of itself; why not, where one cannot start. */
  async describe(): Promise<{ facts: Record<string, PeerFacts>; failures: Record<string, string> }> {
    const facts: Record<string, PeerFacts> = {};
    const failures: Record<string, string> = {};
    for (const id of this.ids) {
      try {
        facts[id] = await this.get(id).describe(START_LIMIT_MS);
      } catch (error) {
        failures[id] = messageOf(error);
      }
    }
    return { facts, failures };
  }

  close(): void {
    for (const peer of this.#open.values()) peer.close();
  }
}

interface Runner {
  readonly peer: string;
  readonly entrant: Entrant;
  readonly difference: number;
  /** Steps of a round, and rounds. */
  readonly steps: number;
  readonly rounds: number;
  readonly times: number[];
}

/**
 * Sets a job up in every peer, compares their first results, and times those that agree with the reference in rounds:
 * A B C, A B C, ... What happens to the machine meanwhile happens to all.
 */
export async function compareJob(
  peers: Peers,
  job: { readonly id: string },
  { rounds, log, reference, setUpMs = SET_UP_MS, rates: measureRates }: CompareOptions,
): Promise<JobResult> {
  const failures: { peer: string; reason: string }[] = [];
  const found: { peer: string; entrant: Entrant }[] = [];
  const fail = (peer: string, error: unknown): void => {
    failures.push({ peer, reason: messageOf(error) });
    log(`${job.id}: ${peer}: ${messageOf(error)}`);
  };
  for (const peer of peers.ids) {
    log(`${job.id}: set up ${peer}`);
    try {
      for (const entrant of await peers.get(peer).setUp(job, setUpMs)) found.push({ peer, entrant });
    } catch (error) {
      fail(peer, error);
    }
  }
  const right = found.find(({ peer }) => peer === reference) ?? found[0];
  if (!right) return { job: job.id, reference, results: [], failures, rates: null };

  const runners: Runner[] = [];
  for (const { peer, entrant } of found) {
    try {
      // A slow peer checks fewer of its first results.
      const checked = Math.min(entrant.check.length, right.entrant.check.length);
      const difference = largestDifference(entrant.check.slice(0, checked), right.entrant.check.slice(0, checked));
      if (checked === 0 || !(difference <= (entrant.tolerance ?? TOLERANCE))) {
        throw new Error(
          `${entrant.label}: not timed, first results differ from those of ${right.peer} by ${difference.toExponential(1)}: ${showNumbers(entrant.check)} instead of ${showNumbers(right.entrant.check)}`,
        );
      }
      // The first of these still pays for memory and code that the set-up did not touch.
      const once = async () => peers.get(peer).time(entrant.id, entrant.multiple, TIME_LIMIT_MS);
      const first = await once();
      const ms = first > ROUND_MS ? first : await once();
      const times = Math.max(1, Math.round(ROUND_MS / ms));
      const possible = Math.floor(ENTRANT_MS / (ms * times));
      runners.push({
        peer,
        entrant,
        difference,
        steps: times * entrant.multiple,
        rounds: Math.min(rounds, possible),
        // Of one that takes so long, a first step is measurement enough.
        times: possible === 0 ? [ms / entrant.multiple] : [],
      });
    } catch (error) {
      fail(peer, error);
    }
  }
  const rates: Rates[] = [];
  for (let round = 0; round < rounds; round++) {
    log(`${job.id}: round ${round + 1} of ${rounds}`);
    for (const { peer, entrant, steps, rounds: own, times } of runners) {
      if (round >= own || times.length < round) continue;
      await pause(PAUSE_MS);
      try {
        times.push((await peers.get(peer).time(entrant.id, steps, TIME_LIMIT_MS)) / steps);
      } catch (error) {
        fail(peer, error);
      }
    }
    await pause(PAUSE_MS);
    if (measureRates) rates.push(await measureRates());
  }
  const timed = runners.filter(({ times }) => times.length > 0);
  const base = timed[0]?.times ?? [];
  return {
    job: job.id,
    reference: right.peer,
    failures,
    rates: rates.length > 0 ? medianRates(rates) : null,
    results: timed.map(({ peer, entrant, difference, times }) => ({
      peer,
      entrant: entrant.id,
      label: entrant.label,
      isRounded: entrant.tolerance !== undefined,
      difference,
      rounds: times,
      milliseconds: summarize(times),
      ratio: pairedRatio(times, base),
    })),
  };
}

const showNumbers = (values: readonly number[]): string => values.map((value) => value.toPrecision(6)).join(" ");
