/** Connections that nothing goes through are closed; those whose answer takes long are not. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Closes connections on which a client has been silent for so many milliseconds, or has not read for so long. A client
 * that waits for an answer is not silent, however long the server takes. Nor is one whose request has come in but was not
 * read, because the process stood still meanwhile: it is looked at once more after what is there has been read.
 */
export function closeSilent(server: Server, ms: number): void {
  const waiting = new WeakMap<Socket, { readonly request: IncomingMessage; readonly response: ServerResponse }>();
  server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
    waiting.set(request.socket, { request, response });
  });
  const isServersTurn = (socket: Socket): boolean => {
    const { request, response } = waiting.get(socket) ?? {};
    return request?.complete === true && response?.writableEnded === false && socket.writableLength === 0;
  };
  server.setTimeout(ms, (socket) => {
    const read = socket.bytesRead;
    // Timers come before what has arrived, and this after it.
    setImmediate(() => {
      if (socket.bytesRead === read && !isServersTurn(socket)) socket.destroy();
    });
  });
}
