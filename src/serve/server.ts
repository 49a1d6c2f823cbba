/** A server with the interface of OpenAI's completions. */
import { type CompletionsOptions, completionsApp } from "./completions.ts";
import { listen, within } from "./listen.ts";
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

/** Starts a server. Rejects with one sentence if the port is taken. */
export async function startServer(
  model: TextModel,
  { port, host, requestSeconds = 30, ...options }: ServerOptions,
): Promise<RunningServer> {
  const { app, stop, abort, requests } = completionsApp(model, options);
  const listening = await listen({ fetch: app.fetch, port, host, requestSeconds, what: "serve" });
  return {
    port: listening.port,
    async close({ graceSeconds = 30 } = {}) {
      stop();
      // Until the last one is done it goes on listening: a refusal says more than a closed port.
      if (!(await within(requests(), 1000 * graceSeconds))) abort();
      await listening.close();
    },
  };
}
