/** A share of each turn of the event loop for requests, so that new connections are not kept waiting by busy ones. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** Requests that are answered in one turn. */
const EACH_TURN = 32;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Lets the server's listener see at most 32 requests in a turn of the event loop; others follow in their order, in the
 * next turns. Node takes one new connection in each turn. Where a thousand connections ask again as soon as they are
 * answered, a turn would last until all were, and a new one would wait for seconds.
 */
export function takeTurns(server: Server): void {
  const [answer] = server.listeners("request") as Listener[];
  if (!answer) return;
  const waiting: Parameters<Listener>[] = [];
  let left = EACH_TURN;
  let isCounting = false;
  const next = (): void => {
    isCounting = false;
    left = EACH_TURN;
    for (const [request, response] of waiting.splice(0, EACH_TURN)) see(request, response);
    if (waiting.length > 0) count();
  };
  const count = (): void => {
    if (isCounting) return;
    isCounting = true;
    setImmediate(next);
  };
  const see: Listener = (request, response) => {
    left--;
    // Its client may have gone while it waited.
    if (!response.destroyed) answer.call(server, request, response);
  };
  server.removeAllListeners("request");
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    count();
    if (left > 0 && waiting.length === 0) see(request, response);
    else waiting.push([request, response]);
  });
}
