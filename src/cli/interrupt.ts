/** Stopping on request: Ctrl-C or a polite kill asks once, and ends the process the second time. */

/** Exit code after Ctrl-C, as shells have it. */
export const INTERRUPTED = 130;

/**
 * npm passes Ctrl-C on to a process that has already had it from the terminal; within this time the two are one. A
 * busy event loop hears them together.
 */
const SAME_MILLISECONDS = 500;

export interface Interrupts {
  /** Aborted by the first request. */
  readonly signal: AbortSignal;
  /** Leaves Ctrl-C to Node again. */
  release(): void;
}

/** Listens for requests to stop; `first` is called once. A second request exits at once with code 130. */
export function listenForInterrupts(first: () => void): Interrupts {
  const abort = new AbortController();
  let asked = 0;
  const interrupt = (): void => {
    const now = performance.now();
    if (!abort.signal.aborted) {
      asked = now;
      abort.abort();
      first();
    } else if (now - asked > SAME_MILLISECONDS) process.exit(INTERRUPTED);
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  return {
    signal: abort.signal,
    release: () => {
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    },
  };
}
