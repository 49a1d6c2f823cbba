/** Listening for requests, and stopping without losing any. */
import type { Server } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";

export interface ListenOptions {
  readonly fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>;
  readonly host: string;
  readonly port: number;
  /** Which verb of the command line it is, for errors. */
  readonly what: string;
  /** Seconds in which a request must have come in whole; 30 by default. */
  readonly requestSeconds?: number;
  /** Seconds in which its headers must have come in; as long as the request by default. */
  readonly headerSeconds?: number;
}

/** A server that listens. */
export interface Listening {
  readonly server: Server;
  readonly port: number;
  /** Ends it: connections that do nothing at once, the others when they are done or a second has gone by. */
  close(): Promise<void>;
}

/** Connections that may wait to be taken: of more, a client's first packet is lost, and it tries again after a second. */
const BACKLOG = 4096;

/** Clients that have been ended get this long to read what is on its way. */
const FLUSH_MS = 1000;

/** Starts to listen. Rejects with one sentence if that is not possible. */
export function listen({
  fetch,
  host,
  port,
  what,
  requestSeconds = 30,
  headerSeconds = requestSeconds,
}: ListenOptions): Promise<Listening> {
  return new Promise((done, fail) => {
    const server = createAdaptorServer({
      ...{ fetch: fetch as never, hostname: host },
      serverOptions: {
        headersTimeout: 1000 * headerSeconds,
        requestTimeout: 1000 * requestSeconds,
        connectionsCheckingInterval: Math.min(5000, 250 * headerSeconds),
      },
    }) as Server;
    server.on("error", (error: NodeJS.ErrnoException) => fail(whyNot(error, { host, port, what })));
    server.listen({ host, port, backlog: BACKLOG }, () =>
      done({ server, port: (server.address() as AddressInfo).port, close: () => close(server) }),
    );
  });
}

/**
 * Rejects with one sentence if nobody can listen at an address now, for programs that have much to do before they listen:
 * who asks for a port that is taken need not wait for it.
 */
export function checkAddress(address: Pick<ListenOptions, "host" | "port" | "what">): Promise<void> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => fail(whyNot(error, address)));
    server.listen(address.port, address.host, () => server.close(() => done()));
  });
}

function whyNot(
  error: NodeJS.ErrnoException,
  { host, port, what }: Pick<ListenOptions, "host" | "port" | "what">,
): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new Error(`${what}: port ${port} is taken; choose another with --port`);
    case "EACCES":
      return new Error(`${what}: port ${port} is not for this user; choose one from 1024 on with --port`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new Error(`${what}: --host ${host}: expected an address of this machine, such as 127.0.0.1 or 0.0.0.0`);
    default:
      return error;
  }
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((ended) => server.close(() => ended()));
  server.closeIdleConnections();
  if (!(await within(closed, FLUSH_MS))) server.closeAllConnections();
  await closed;
}

/** Whether a promise resolves in time. */
export async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((done) => {
    timer = setTimeout(() => done(false), ms);
  });
  return Promise.race([promise.then(() => true), late]).finally(() => clearTimeout(timer));
}

/** A host in an address: IPv6 in brackets. */
export const hostInUrl = (host: string): string => (host.includes(":") ? `[${host}]` : host);
