/** Who sends a request: where from, by which cookie, and with which rights. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import type { Visitor } from "../feed/index.ts";

/** What the rights of visitors depend on. */
export interface AccessOptions {
  /** What others than this machine's own users must show before they start runs; null: they cannot start any. */
  readonly token: string | null;
  /** Believe the last address in `X-Forwarded-For`, since a proxy of ours wrote it. */
  readonly trustProxy: boolean;
  /** Key of cookies; the database has it. */
  readonly key: string;
}

export type StudioContext = Context<{ Bindings: HttpBindings }>;

const COOKIE = "fourward_visitor";
const ACCESS_COOKIE = "fourward_access";
const YEAR = 365 * 24 * 3600;

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1)$/;

/** An IPv4 address that came by IPv6 is the same address. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

/** The address that a request comes from. */
export function addressOf(c: StudioContext, { trustProxy }: AccessOptions): string {
  const own = plainAddress(c.env.incoming.socket.remoteAddress ?? "");
  if (!trustProxy) return own;
  const told = c.req.header("x-forwarded-for")?.split(",").at(-1)?.trim() ?? "";
  return isIP(told) === 0 ? own : plainAddress(told);
}

/** The network of an address: the first 24 bits of IPv4, 64 of IPv6. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address.split(".").slice(0, 3).join(".");
  const [head = "", tail] = address.split("::");
  const front = head.split(":").filter(Boolean);
  const back = tail?.split(":").filter(Boolean) ?? [];
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...Array<string>(Math.max(0, zeros)).fill("0"), ...back];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}

/** Whether a name in `Host` or an origin is one of this machine itself, which no other site can take for its own. */
export const isLoopbackHost = (host: string): boolean => {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || name.endsWith(".localhost") || LOOPBACK.test(name.replace(/^\[(.*)\]$/, "$1"));
};

/**
 * Whether a request comes from a user of this machine: from its loopback address, by a name that only it has (another
 * site's name may lead here too), and not through a proxy, which would make the whole world loopback.
 */
export function isLocal(c: StudioContext, access: AccessOptions): boolean {
  if (
    !access.trustProxy &&
    ["x-forwarded-for", "forwarded", "x-real-ip"].some((name) => c.req.header(name) !== undefined)
  )
    return false;
  return LOOPBACK.test(addressOf(c, access)) && isLoopbackHost(c.req.header("host") ?? "");
}

/** Texts are compared in a time that says nothing about them. */
export function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

const sign = (key: string, purpose: string, text: string): string =>
  createHmac("sha256", key).update(`${purpose}\0${text}`).digest("base64url");

/** What is said to whoever has not shown the token. */
export const ASKS_TOKEN = "this server asks for its access token before it starts a run";

/** Whether this visitor may start runs, and why not. */
export function accessOf(
  c: StudioContext,
  access: AccessOptions,
): { readonly may: boolean; readonly why: string | null } {
  if (isLocal(c, access)) return { may: true, why: null };
  const { token, key } = access;
  if (token === null)
    return { may: false, why: "runs can only be started on the machine of this server, since it has no access token" };
  const [, bearer] = /^Bearer (.+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
  if (bearer !== undefined && isSame(bearer, token)) return { may: true, why: null };
  const cookie = getCookie(c, ACCESS_COOKIE);
  if (cookie !== undefined && isSame(cookie, sign(key, "access", token))) return { may: true, why: null };
  return { may: false, why: ASKS_TOKEN };
}

/** Over https, directly or as our proxy says. */
export const isSecure = (c: StudioContext, { trustProxy }: AccessOptions): boolean =>
  trustProxy && c.req.header("x-forwarded-proto")?.split(",").at(-1)?.trim() === "https";

const cookieOptions = (c: StudioContext, access: AccessOptions) => ({
  ...{ httpOnly: true, sameSite: "Strict" as const, path: "/", secure: isSecure(c, access) },
});

/** Remembers in a cookie that this visitor has shown the token, or forgets it. */
export function setAccess(c: StudioContext, access: AccessOptions, may: boolean): void {
  const value = may ? sign(access.key, "access", access.token ?? "") : "";
  setCookie(c, ACCESS_COOKIE, value, { ...cookieOptions(c, access), maxAge: may ? YEAR : 0 });
}

/** The visitor by its cookie, if it has one that this server gave. */
export function knownVisitor(c: StudioContext, access: AccessOptions): Visitor | null {
  const [, id, mac] = /^([\w-]{22})\.([\w-]{43})$/.exec(getCookie(c, COOKIE) ?? "") ?? [];
  if (id === undefined || mac === undefined || !isSame(mac, sign(access.key, "visitor", id))) return null;
  return { id, network: networkOf(addressOf(c, access)) };
}

/** The visitor; a new one gets a cookie. */
export function visitorOf(c: StudioContext, access: AccessOptions): Visitor {
  const known = knownVisitor(c, access);
  if (known) return known;
  const id = randomBytes(16).toString("base64url");
  setCookie(c, COOKIE, `${id}.${sign(access.key, "visitor", id)}`, { ...cookieOptions(c, access), maxAge: YEAR });
  return { id, network: networkOf(addressOf(c, access)) };
}
