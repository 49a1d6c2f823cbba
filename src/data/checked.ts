/** Data from outside checked against a schema, with errors in one sentence. */
import type { z } from "zod";

/**
 * The value in the form that the schema gives it, defaults filled in. Throws one sentence that names `what` (such as a
 * file), the place in it, and what was expected there.
 */
export function checked<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (!issue) throw new TypeError(`${what}: not as expected`);
  const place = placeOf(issue.path);
  const text = issue.message.replace(/^Invalid input: /, "").replace(/^./, (letter) => letter.toLowerCase());
  throw new TypeError(`${what}: ${place === "" ? "" : `${place}: `}${text}`);
}

const placeOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (at, key) => (typeof key === "number" ? `${at}[${key}]` : `${at}${at === "" ? "" : "."}${String(key)}`),
    "",
  );
