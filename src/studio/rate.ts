/** Rates at which clients may ask: buckets of tokens that fill with time. */
import { Refusal } from "./refusal.ts";

export interface Rate {
  /** Requests at once, after a time without any. */
  readonly burst: number;
  readonly perMinute: number;
}

/** Clients that are remembered; the one that has been silent for longest is forgotten first, when its bucket is full again. */
const MOST_CLIENTS = 50_000;

/** Lets each client have its rate. */
export class RateLimiter {
  readonly #rate: Rate;
  readonly #what: string;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(rate: Rate, what: string, now: () => number = () => performance.now() / 60_000) {
    this.#rate = rate;
    this.#what = what;
    this.#now = now;
  }

  /** Takes a token of a client; refuses with 429 and the time to wait if it has none. */
  take(client: string): void {
    const now = this.#now();
    const { burst, perMinute } = this.#rate;
    const bucket = this.#buckets.get(client) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) * perMinute);
    // Put at the end: the map is in the order of last use.
    this.#buckets.delete(client);
    if (this.#buckets.size >= MOST_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    this.#buckets.set(client, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (tokens < 1) {
      const seconds = Math.ceil((60 * (1 - tokens)) / perMinute);
      throw new Refusal(429, `too many ${this.#what}; try again in ${seconds} s`, seconds);
    }
  }
}
