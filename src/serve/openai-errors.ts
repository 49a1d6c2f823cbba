/** Errors in OpenAI's form. */

export interface ApiErrorFacts {
  /** The field of the request that is wrong. */
  readonly param?: string | null;
  readonly code?: string;
  /** Seconds after which it makes sense to ask again. */
  readonly retryAfter?: number;
}

/** What a client is told, with a status of HTTP. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly facts: ApiErrorFacts;

  constructor(status: number, message: string, facts: ApiErrorFacts = {}) {
    super(message);
    this.status = status;
    this.facts = facts;
  }
}

const types: { readonly [status: number]: string } = { 401: "authentication_error", 429: "rate_limit_error" };

/** The body of a reply that says what is wrong. */
export const errorBody = ({ status, message, facts: { param = null, code } }: ApiError) => ({
  error: {
    message,
    type: types[status] ?? (status >= 500 ? "server_error" : "invalid_request_error"),
    param,
    code: code ?? null,
  },
});
