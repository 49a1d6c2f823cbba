/** The other end of `peer.ts`, for peers in JavaScript. */
import { createInterface } from "node:readline";
import { answering, type Request, type Service } from "./answer.ts";

export type { Ready } from "./answer.ts";

/** Answers requests on standard input until it ends. */
export async function serve<J>(service: Service<J>): Promise<void> {
  const answer = answering(service);
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Request<J>))}\n`);
  // Worker threads of a library would keep the process alive.
  process.exit(0);
}
