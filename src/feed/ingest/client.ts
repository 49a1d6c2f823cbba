/** Asks sources on the network politely: slowly, conditionally, again after failures that may pass, and not for too long. */
import { setTimeout as wait } from "node:timers/promises";

/** What a source said of an answer, so that it can be asked whether it has changed since. */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

export type Answer =
  | ({ readonly changed: true; readonly body: string } & Validators)
  /** As it was when the validators were given. */
  | { readonly changed: false };

export interface ClientOptions {
  /** What the source is called in sentences. */
  readonly name: string;
  /** Milliseconds from the end of one request to the next at least. */
  readonly interval: number;
  /** When it was last asked by an earlier process, in milliseconds since 1970. */
  readonly askedAt?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds before the first further try, doubled for each one; 2,000 by default. */
  readonly retryDelay?: number;
  /** Milliseconds in which an answer must be there; 30,000 by default. */
  readonly timeout?: number;
}

/** Requests to one source, one after another. */
export interface Client {
  /** Rejects with `SourceError`, in one sentence, or with the signal's reason. */
  get(url: string, known?: Validators): Promise<Answer>;
}

/** Why a source could not be used. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

const TRIES = 4;
const MOST_BYTES = 16 * 2 ** 20;
/** A source that asks for more patience than this is left for another day. */
const LONGEST_WAIT = 120_000;

/** A client of a source; failures that may pass (cut connections, 408, 429, 5xx) are tried again with growing waits. */
export function client({
  name,
  interval,
  askedAt = 0,
  signal,
  retryDelay = 2000,
  timeout = 30_000,
}: ClientOptions): Client {
  let last = askedAt;
  const pause = async (ms: number) => {
    if (ms > 0) await wait(ms, undefined, signal ? { signal } : {});
  };
  return {
    async get(url, known) {
      for (let attempt = 1; ; attempt++) {
        await pause(last + interval - Date.now());
        const outcome = await ask(url, known, { name, timeout, ...(signal ? { signal } : {}) });
        last = Date.now();
        if ("changed" in outcome) return outcome;
        if (!outcome.passing) throw new SourceError(`${name} ${outcome.failure}`);
        // Up to a quarter more, so that many that failed together do not come back together.
        const { failure, after = retryDelay * 2 ** (attempt - 1) * (1 + Math.random() / 4) } = outcome;
        if (outcome.after !== undefined && after > LONGEST_WAIT)
          throw new SourceError(`${name} ${failure} and asks to come again in ${Math.ceil(after / 1000)} s`);
        if (attempt === TRIES) throw new SourceError(`${name} ${failure}, ${TRIES} times`);
        await pause(after);
      }
    },
  };
}

interface Failure {
  /** In words that stand behind the name of the source. */
  readonly failure: string;
  /** Whether another try may help. */
  readonly passing: boolean;
  /** Milliseconds that the source asks to wait. */
  readonly after?: number;
}

const UNREACHABLE = ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"];

async function ask(
  url: string,
  known: Validators | undefined,
  { name, timeout, signal }: { name: string; timeout: number; signal?: AbortSignal },
): Promise<Answer | Failure> {
  const late = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(url, {
      headers: {
        "user-agent": "fourward (a workbench for research papers)",
        ...(known?.etag ? { "if-none-match": known.etag } : {}),
        ...(known?.lastModified ? { "if-modified-since": known.lastModified } : {}),
      },
      signal: signal ? AbortSignal.any([late, signal]) : late,
    });
    if (response.status === 304) return { changed: false };
    if (response.status !== 200) {
      await response.body?.cancel();
      const after = retryAfter(response.headers.get("retry-after"));
      const passing = response.status >= 500 || [408, 429].includes(response.status);
      return { failure: `answered ${response.status}`, passing, ...(after === null ? {} : { after }) };
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) return { failure: `sends more than ${MOST_BYTES / 2 ** 20} MiB`, passing: false };
      chunks.push(chunk);
    }
    const { headers } = response;
    const body = Buffer.concat(chunks).toString("utf8");
    return { changed: true, body, etag: headers.get("etag"), lastModified: headers.get("last-modified") };
  } catch (error) {
    signal?.throwIfAborted();
    if (late.aborted) return { failure: `gave no answer within ${timeout / 1000} s`, passing: true };
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    const code = cause?.code;
    // Without a name server or a listener waiting does not help, and being offline should be told at once.
    if (UNREACHABLE.includes(code ?? "")) throw new SourceError(`${name} cannot be reached (${code})`);
    return { failure: `cut the connection (${code ?? cause?.message ?? (error as Error).message})`, passing: true };
  }
}

/** Milliseconds; the header gives seconds or a date. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
