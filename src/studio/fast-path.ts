/**
 * Answers that are ready go out before the router: a thousand readers of one list ask for the same bytes, and for those
 * neither a request nor a response object needs to be made. What the router answered with a kept answer is remembered by
 * the address as it was written, with the host; everything that is looked at before a route holds here too.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { encodingOf, isKnown } from "./answers.ts";
import { type HostOptions, headersOf, isOwnHost } from "./guard.ts";
import { answerHeaders } from "./send.ts";
import type { Studio } from "./studio.ts";

/** Puts itself before the listeners of a server. */
export function fastPath(server: Server, { answers, metrics, stopping }: Studio, hosts: HostOptions): void {
  const [slow] = server.listeners("request") as ((request: IncomingMessage, response: ServerResponse) => void)[];
  if (!slow) return;
  server.removeAllListeners("request");
  const own = new Map<string, boolean>();
  const isOwn = (host: string): boolean => {
    let known = own.get(host);
    if (known === undefined) {
      if (own.size > 1000) own.clear();
      known = isOwnHost(host, hosts);
      own.set(host, known);
    }
    return known;
  };
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = "", headers } = request;
    const host = headers.host ?? "";
    const found = method === "GET" && !stopping.aborted && isOwn(host) ? answers.byAddress(`${host} ${url}`) : null;
    if (!found) return slow(request, response);
    metrics.ready();
    const encoding = encodingOf(headers["accept-encoding"] as string | undefined, found);
    const all = { ...headersOf, ...answerHeaders(found, encoding) };
    if (isKnown(headers["if-none-match"], found.etag)) {
      response.writeHead(304, all).end();
      return;
    }
    const body = found[encoding] as Buffer;
    response.writeHead(200, { ...all, "content-length": body.length }).end(body);
  });
}
