/** Answers that are the same for everybody, kept ready to be sent until what they say changes. */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

/** An answer in all forms that clients take. */
export interface Answer {
  readonly type: string;
  readonly etag: string;
  readonly plain: Buffer;
  readonly gzip: Buffer | null;
  readonly br: Buffer | null;
  readonly cacheControl: string;
}

export type Encoding = "br" | "gzip" | "plain";

/** Smaller ones gain nothing. */
const LEAST_COMPRESSED = 1024;

const toGzip = promisify(gzip);
const toBrotli = promisify(brotliCompress);

/** Prepares an answer: its tag and its compressed forms, those that are no shorter left out. */
export async function prepare(
  content: Buffer,
  type: string,
  { cacheControl = "no-cache", quality = 5, isCompressed = false } = {},
): Promise<Answer> {
  const worth = !isCompressed && content.length >= LEAST_COMPRESSED;
  const shorter = (packed: Buffer | null) => (packed && packed.length < 0.9 * content.length ? packed : null);
  const [zipped, br] = worth
    ? await Promise.all([
        toGzip(content, { level: 6 }),
        toBrotli(content, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }),
      ])
    : [null, null];
  return {
    ...{ type, cacheControl, plain: content, gzip: shorter(zipped), br: shorter(br) },
    etag: `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`,
  };
}

/** The encoding that a client takes and an answer has, best first. */
export function encodingOf(accept: string | undefined, { br, gzip }: Answer): Encoding {
  if (accept === undefined) return "plain";
  return br && BR.test(accept) ? "br" : gzip && GZIP.test(accept) ? "gzip" : "plain";
}

/** A name in `Accept-Encoding` that is not refused by a weight of 0. */
const [BR, GZIP] = ["br", "gzip"].map(
  (name) => new RegExp(`(^|[,\\s])${name}(?!\\s*;\\s*q=0(\\.0*)?\\s*(,|$))`, "i"),
) as [RegExp, RegExp];

/** Whether a client has this answer already. */
export const isKnown = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag || tag.trim() === "*") ?? false;

interface Kept {
  readonly answer: Answer;
  readonly version: number;
  readonly at: number;
}

/** Bytes of kept answers, about; those that were asked for longest ago go first. */
const MOST_BYTES = 64 * 2 ** 20;
/** Milliseconds after which an answer is computed anew though nothing is known to have changed: scores fade. */
const FRESH = 15_000;

/** Addresses that are remembered. */
const MOST_ADDRESSES = 5000;

/** Keeps answers by what was asked. */
export class Answers {
  readonly #kept = new Map<string, Kept>();
  readonly #computing = new Map<string, Promise<Answer>>();
  readonly #addresses = new Map<string, string>();
  readonly #now: () => number;
  #version = 0;
  #bytes = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Says that what answers are made of has changed: all are computed anew before they are given again. */
  changed(): void {
    this.#version++;
  }

  /** Remembers that an address, as it is written, asks for this. */
  remember(address: string, key: string): void {
    if (this.#addresses.size >= MOST_ADDRESSES) this.#addresses.clear();
    this.#addresses.set(address, key);
  }

  /** The answer to an address that was answered before, if it is ready and fresh. */
  byAddress(address: string): Answer | null {
    const key = this.#addresses.get(address);
    const found = key === undefined ? null : this.ready(key);
    return found?.isFresh ? found.answer : null;
  }

  /** An answer that is ready, if there is one. An old one is given while a new one is computed. */
  ready(key: string): { readonly answer: Answer; readonly isFresh: boolean } | null {
    const kept = this.#kept.get(key);
    if (!kept || kept.version !== this.#version) return null;
    return { answer: kept.answer, isFresh: this.#now() - kept.at < FRESH };
  }

  /** Computes an answer and keeps it; those who ask meanwhile wait for the same. */
  compute(key: string, make: () => Promise<Answer>): Promise<Answer> {
    const name = `${this.#version} ${key}`;
    const running = this.#computing.get(name);
    if (running) return running;
    const version = this.#version;
    const promise = make()
      .then((answer) => {
        this.#keep(key, { answer, version, at: this.#now() });
        return answer;
      })
      .finally(() => this.#computing.delete(name));
    this.#computing.set(name, promise);
    return promise;
  }

  #keep(key: string, kept: Kept): void {
    this.#drop(key);
    this.#kept.set(key, kept);
    this.#bytes += sizeOf(kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (!kept) return;
    this.#kept.delete(key);
    this.#bytes -= sizeOf(kept);
  }
}

const sizeOf = ({ answer: { plain, gzip, br } }: Kept): number =>
  plain.length + (gzip?.length ?? 0) + (br?.length ?? 0) + 1000;
