/** What is looked at before any route: the name that was asked for, other sites' requests, sizes, rates. */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { RateLimiter } from "./rate.ts";
import { Refusal } from "./refusal.ts";
import { type AccessOptions, addressOf, isLoopbackHost, isSecure, networkOf, type StudioContext } from "./visitor.ts";

/** Bytes of a request's body at most; the largest that is asked for has some hundred. */
export const MOST_BODY = 16 * 1024;

/**
 * Headers of every answer. No script but our own files runs, none inline; compiling WebAssembly is allowed for the runtime
 * of models, and so are the workers that it starts. Styles of attributes are for plots and widths. The page is isolated
 * from other origins, which gives it threads with shared memory.
 */
export const headersOf: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};

/** What a report may do: show itself. */
export const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";

/** Puts the headers on answers that have none of their own. */
export const withHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(headersOf)) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
};

export interface HostOptions {
  /** Whether the server listens on this machine alone. */
  readonly isLoopback: boolean;
  /** Host of the site that proxies and letters lead to, if there is one. */
  readonly site: string | null;
}

/** Whether a server is asked by a name of its own: on loopback another one is another site's, led here by its DNS. */
export const isOwnHost = (host: string, { isLoopback, site }: HostOptions): boolean =>
  !isLoopback || isLoopbackHost(host) || (site !== null && host.toLowerCase() === site);

/** Refuses requests by a foreign name. */
export const checkHost =
  (options: HostOptions): MiddlewareHandler =>
  async (c, next) => {
    if (!isOwnHost(c.req.header("host") ?? "", options))
      throw new Refusal(421, "this server answers to localhost only; --site names another host that leads to it");
    await next();
  };

const SAFE = ["GET", "HEAD", "OPTIONS"];

/**
 * Refuses requests that change something and come from another site's page. Browsers say where a request comes from in
 * `Sec-Fetch-Site`, older ones in `Origin`; programs that are no browsers send neither, and have no cookie to misuse.
 * `isFree` names addresses that a token in them opens, such as those that mail programs send one click to.
 */
export const checkOrigin =
  (access: AccessOptions, isFree: (path: string) => boolean): MiddlewareHandler =>
  async (c, next) => {
    if (!SAFE.includes(c.req.method) && !isFree(c.req.path)) {
      const site = c.req.header("sec-fetch-site");
      const origin = c.req.header("origin");
      const scheme = isSecure(c as StudioContext, access) ? "https" : "http";
      const isOwn =
        site === undefined
          ? origin === undefined || origin.toLowerCase() === `${scheme}://${(c.req.header("host") ?? "").toLowerCase()}`
          : site === "same-origin";
      if (!isOwn) throw new Refusal(403, "another site's page may not do this");
    }
    await next();
  };

/** Refuses bodies that are too large, also such as do not say how large they are. */
export const limitBody = bodyLimit({
  maxSize: MOST_BODY,
  onError: () => {
    throw new Refusal(413, `the body is too large; at most ${MOST_BODY / 1024} kB are taken`);
  },
});

/** Rates of what costs something, for each network. */
export interface Rates {
  /** Requests that change something. */
  readonly writes: RateLimiter;
  /** Pages and lists that had to be computed. */
  readonly computed: RateLimiter;
  /** Tries of the access token. */
  readonly signIns: RateLimiter;
  /** Subscriptions, each of which sends a letter. */
  readonly subscriptions: RateLimiter;
}

export const defaultRates = (): Rates => ({
  writes: new RateLimiter({ burst: 60, perMinute: 60 }, "requests"),
  computed: new RateLimiter({ burst: 120, perMinute: 240 }, "searches"),
  signIns: new RateLimiter({ burst: 10, perMinute: 5 }, "tries of the access token"),
  subscriptions: new RateLimiter({ burst: 5, perMinute: 0.5 }, "subscriptions"),
});

/** What rates are counted by: visitors of one network, whatever cookies they have. */
export const clientOf = (c: StudioContext, access: AccessOptions): string => networkOf(addressOf(c, access));

/** Counts requests that change something. */
export const limitWrites =
  (rates: Rates, access: AccessOptions): MiddlewareHandler =>
  async (c, next) => {
    if (!SAFE.includes(c.req.method)) rates.writes.take(clientOf(c as StudioContext, access));
    await next();
  };
