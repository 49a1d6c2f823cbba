/** What is refused: a status and one sentence. */
import type { z } from "zod";
import { checked } from "../data/checked.ts";
import type { StudioContext } from "./visitor.ts";

export type RefusalStatus = 400 | 401 | 403 | 404 | 409 | 413 | 415 | 421 | 429 | 503;

/** Thrown to answer with a status and a sentence. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: RefusalStatus;
  readonly retrySeconds: number | null;

  constructor(status: RefusalStatus, message: string, retrySeconds: number | null = null) {
    super(message);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }
}

/** What was sent, in the form that a schema gives it. Refuses with one sentence. */
export function accepted<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  try {
    return checked(schema, value, what);
  } catch (error) {
    throw new Refusal(400, (error as Error).message);
  }
}

/** The body of a request, which must be JSON and say so: a form of another site cannot. */
export async function bodyOf<S extends z.ZodType>(c: StudioContext, schema: S, what: string): Promise<z.infer<S>> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header("content-type") ?? ""))
    throw new Refusal(415, `${what}: expected a body of the type application/json`);
  const text = await c.req.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, `${what}: the body is not JSON`);
  }
  return accepted(schema, value, what);
}
