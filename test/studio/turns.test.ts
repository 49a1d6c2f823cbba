import { EventEmitter } from "node:events";
import type { Server } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { takeTurns } from "../../src/studio/turns.ts";

/** A server whose listener notes what it saw; requests are numbers here. */
function numbered(): { readonly ask: (...requests: number[]) => void; readonly seen: number[]; gone: Set<number> } {
  const server = new EventEmitter();
  const [seen, gone] = [[] as number[], new Set<number>()];
  server.on("request", (request: number) => seen.push(request));
  takeTurns(server as Server);
  const ask = (...requests: number[]): void => {
    for (const request of requests)
      server.emit("request", request, {
        get destroyed() {
          return gone.has(request);
        },
      });
  };
  return { ask, seen, gone };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("takeTurns", () => {
  it("answers few requests at once, and many in their order, so many in each turn", async () => {
    const { ask, seen } = numbered();
    ask(...range(0, 100));
    expect(seen).toEqual(range(0, 32));
    await turn();
    expect(seen).toEqual(range(0, 64));
    // Those that come while others wait are answered after them.
    ask(...range(100, 110));
    await turn();
    await turn();
    expect(seen).toEqual(range(0, 110));
    await turn();
    ask(110);
    expect(seen.at(-1)).toBe(110);
  });

  it("leaves out requests whose clients went while they waited", async () => {
    const { ask, seen, gone } = numbered();
    ask(...range(0, 40));
    gone.add(35);
    await turn();
    expect(seen).toEqual(range(0, 40).filter((i) => i !== 35));
  });
});
