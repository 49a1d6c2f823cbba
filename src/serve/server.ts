/** A server with the interface of OpenAI's completions. */
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { type CompletionsOptions, completionsApp } from "./completions.ts";
import type { TextModel } from "./text.ts";

export interface ServerOptions extends CompletionsOptions {
  readonly port: number;
  readonly host: string;
  /** Seconds in which a request must have come in whole; 30 by default. */
  readonly requestSeconds?: number;
}

export interface RunningServer {
  /** The port that it listens on. */
  readonly port: number;
  /**
   * Refuses further requests with status 503, finishes those it has, and resolves when the last one is done; after
   * `graceSeconds` (30 by default) the rest is ended with what it has said so far.
   */
  close(options?: { readonly graceSeconds?: number }): Promise<void>;
}

/** Clients that have been ended get this long to read what is on its way. */
const FLUSH_MS = 1000;

/** Starts a server. Rejects with one sentence if the port is taken. */
export async function startServer(
  model: TextModel,
  { port, host, requestSeconds = 30, ...options }: ServerOptions,
): Promise<RunningServer> {
  const { app, stop, abort, requests } = completionsApp(model, options);
  return new Promise((done, fail) => {
    const server = serve(
      {
        fetch: app.fetch,
        port,
        hostname: host,
        serverOptions: {
          headersTimeout: 1000 * requestSeconds,
          requestTimeout: 1000 * requestSeconds,
          connectionsCheckingInterval: Math.min(5000, 250 * requestSeconds),
        },
      },
      (info) => done({ port: info.port, close }),
    ) as Server;
    server.on("error", (error: NodeJS.ErrnoException) =>
      fail(error.code === "EADDRINUSE" ? new Error(`serve: port ${port} is taken; choose another with --port`) : error),
    );
    const close = async ({ graceSeconds = 30 } = {}): Promise<void> => {
      stop();
      // Until the last one is done it goes on listening: a refusal says more than a closed port.
      if (!(await within(requests(), 1000 * graceSeconds))) abort();
      const closed = new Promise<void>((ended) => server.close(() => ended()));
      server.closeIdleConnections();
      if (!(await within(closed, FLUSH_MS))) server.closeAllConnections();
      await closed;
    };
  });
}

/** Whether a promise resolves in time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((done) => {
    timer = setTimeout(() => done(false), ms);
  });
  return Promise.race([promise.then(() => true), late]).finally(() => clearTimeout(timer));
}
