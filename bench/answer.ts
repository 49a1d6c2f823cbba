/** How a peer in JavaScript answers the requests of a comparison, wherever it runs. */
import type { PeerFacts } from "./peer.ts";

/** A way to do a job, loaded and ready. */
export interface Ready {
  readonly id: string;
  readonly label: string;
  /** Steps are done in multiples of this; 1 by default. */
  readonly multiple?: number;
  /** See `Entrant`. */
  readonly tolerance?: number;
  /** Called before each run, and not timed. */
  prepare?(): Promise<void>;
  /** Does so many steps from the state at the start, and gives the loss of each (or other results to compare). */
  run(steps: number): Promise<readonly number[]>;
}

export interface Service<J> {
  describe(): PeerFacts | Promise<PeerFacts>;
  /** Loads a job, in place of the one before. */
  setUp(job: J): Promise<readonly Ready[]>;
  /** Further requests by name. */
  readonly others?: { readonly [op: string]: (job: J) => Promise<object> };
}

export type Request<J> = { readonly op: string; readonly job: J; readonly entrant: string; readonly steps: number };

/** Results that are compared before anything is timed: fewer of a peer whose first step takes longer than this. */
const CHECKED = 4;
const SLOW_MS = 3000;

/** A function that answers requests; what it rejects with is a reply, too. */
export function answering<J>({ describe, setUp, others = {} }: Service<J>): (request: Request<J>) => Promise<object> {
  let ready: readonly Ready[] = [];
  const answer = async ({ op, job, entrant, steps }: Request<J>): Promise<object> => {
    if (op === "describe") return describe();
    if (op === "setup") {
      ready = await setUp(job);
      const entrants: object[] = [];
      for (const { id, label, multiple = 1, tolerance, prepare, run } of ready) {
        await prepare?.();
        const started = performance.now();
        const first = await run(multiple);
        const isEnough = first.length >= CHECKED || performance.now() - started > SLOW_MS;
        if (!isEnough) await prepare?.();
        const check = isEnough ? first : await run(Math.ceil(CHECKED / multiple) * multiple);
        entrants.push({ id, label, multiple, check: check.slice(0, CHECKED), ...(tolerance ? { tolerance } : {}) });
      }
      return { entrants };
    }
    if (op === "time") {
      const { prepare, run } = ready.find(({ id }) => id === entrant) as Ready;
      await prepare?.();
      const started = performance.now();
      await run(steps);
      return { ms: performance.now() - started };
    }
    return (others[op] as (job: J) => Promise<object>)(job);
  };
  return (request) =>
    answer(request).catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }));
}
