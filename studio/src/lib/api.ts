/** Requests to the studio's server. What it refuses is thrown as one sentence. */
import type { Problem } from "../../../src/studio/api.ts";

/** Thrown with what the server said. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface ApiOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** The reply of `path` as JSON; undefined where it has none. Throws `ApiError`, or the reason of an aborted signal. */
export async function api<T>(path: string, { method = "GET", body, signal }: ApiOptions = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      ...(signal && { signal }),
      ...(body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The server cannot be reached.");
  }
  if (response.status === 204) return undefined as T;
  const reply: unknown = await response.json().catch(() => null);
  if (!response.ok)
    throw new ApiError(response.status, (reply as Problem | null)?.error ?? `The server answered ${response.status}.`);
  return reply as T;
}

/** What went wrong, for a reader. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
