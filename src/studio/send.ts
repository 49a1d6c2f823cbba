/** Sends answers that are kept ready. */
import { type Answer, encodingOf, isKnown, prepare } from "./answers.ts";
import { clientOf } from "./guard.ts";
import type { Studio } from "./studio.ts";
import type { StudioContext } from "./visitor.ts";

/** The headers of an answer for a client that takes this encoding. */
export const answerHeaders = ({ type, etag, br, gzip, cacheControl }: Answer, encoding: string) => ({
  "content-type": type,
  etag,
  "cache-control": cacheControl,
  ...(br || gzip ? { vary: "accept-encoding" } : {}),
  ...(encoding === "plain" ? {} : { "content-encoding": encoding }),
});

/** An answer in the client's encoding, or 304 if it has it already. */
export function send(c: StudioContext, answer: Answer): Response {
  const encoding = encodingOf(c.req.header("accept-encoding"), answer);
  const headers = answerHeaders(answer, encoding);
  if (isKnown(c.req.header("if-none-match"), answer.etag)) return c.body(null, 304, headers);
  return c.body(new Uint8Array(answer[encoding] as Buffer), 200, headers);
}

/** What is asked for, in one form: what means the same has the same. */
export type AnswerKey = readonly [kind: string, ...facts: unknown[]];

/**
 * The answer to what is asked for, from what is ready or computed now; the latter counts against the client's rate. A
 * stale one is given while it is computed anew.
 */
export async function keptAnswer(
  c: StudioContext,
  { answers, access, rates, metrics }: Studio,
  asked: AnswerKey,
  type: string,
  make: () => Promise<string>,
): Promise<Answer> {
  const key = JSON.stringify(asked);
  const { host } = c.env.incoming.headers;
  // Addresses are as long as whoever asks wants; those that readers share are short.
  if (c.env.incoming.url && c.env.incoming.url.length < 300)
    answers.remember(`${host ?? ""} ${c.env.incoming.url}`, key);
  const compute = () => answers.compute(key, async () => prepare(Buffer.from(await make()), type));
  const found = answers.ready(key);
  if (found) {
    // Whoever asked has an answer: a failure shows when nobody has one.
    if (!found.isFresh) compute().catch(() => {});
    metrics.ready();
    return found.answer;
  }
  rates.computed.take(clientOf(c, access));
  return compute();
}
