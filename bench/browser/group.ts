/** Training in Chromium: Fourward beside itself in Node, and beside the other systems that train in pages. */
import { fileURLToPath } from "node:url";
import type { Group } from "../engine/groups.ts";
import type { Found, PeerId } from "../engine/peers.ts";
import { trainingJobs } from "../engine/training-jobs.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Fourward in Chromium comes first, and in Node next to it: all others are told as shares of its time. */
function peers(threads: number, wanted: readonly PeerId[]): Found[] {
  const script = (id: string, args: readonly string[]): Found => ({
    id,
    command: {
      command: process.execPath,
      args: ["--import", "tsx", ...args],
      env: { BENCH_THREADS: String(threads) },
    },
  });
  const inPage = (id: string): Found => script(id, [at("peer.ts"), id]);
  const found: Readonly<Record<PeerId, readonly Found[]>> = {
    fourward: [inPage("fourward"), script("node", [at("../engine/fourward.ts")])],
    tfjs: [inPage("tfjs")],
    jax: [inPage("jax")],
    torch: [],
  };
  return wanted.flatMap((id) => found[id]);
}

const IDS: readonly string[] = ["mlp", "small-mlp", "small-gpt"];

export const browserGroup: Group = {
  name: "browser",
  description: "Training steps in Chromium beside Node, and tfjs-wasm and jax-js in the same browser.",
  jobs: (scale) => trainingJobs(scale).filter(({ id }) => IDS.includes(id)),
  peers,
};
