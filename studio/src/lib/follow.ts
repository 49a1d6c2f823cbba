/** Server-sent events of a run. */
import type { RunEvent } from "../../../src/studio/api.ts";

const names = [
  "run",
  "queued",
  "running",
  "progress",
  "losses",
  "figure",
  "note",
  "done",
  "failed",
  "cancelled",
] as const;
const ends: ReadonlySet<string> = new Set(["done", "failed", "cancelled"]);

/**
 * Tells of everything that happens in a run until it is over. The browser connects again by itself after a lost connection;
 * `onLost` tells when it does, and whether it has given up. Gives the function that stops it.
 */
export function followRun(
  id: string,
  onEvent: (event: RunEvent) => void,
  onLost: (gaveUp: boolean) => void = () => {},
): () => void {
  const source = new EventSource(`/api/runs/${id}/events`);
  for (const name of names)
    source.addEventListener(name, (message) => {
      const event = { event: name, data: JSON.parse((message as MessageEvent<string>).data) } as RunEvent;
      // Otherwise the browser would take the end of the answer for a lost connection.
      if (ends.has(name) || (event.event === "run" && ends.has(event.data.state))) source.close();
      onEvent(event);
    });
  source.onerror = () => {
    if (source.readyState !== EventSource.OPEN) onLost(source.readyState === EventSource.CLOSED);
  };
  return () => source.close();
}
