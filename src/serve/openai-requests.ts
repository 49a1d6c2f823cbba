/** Requests in OpenAI's form, checked: what is asked for, and what cannot be had here. */
import { z } from "zod";
import { ApiError } from "./openai-errors.ts";

/** Fields of both kinds of request. */
const shared = {
  model: z.string().nullish(),
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  /** Not OpenAI's, but most servers have it. */
  top_k: z.int().min(1).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.int().min(1).max(16).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100)).nullish(),
};
const token = z.int().min(0);
export const completionSchema = z.object({
  ...shared,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1),
    z.array(token).min(1),
    z.array(z.array(token).min(1)).min(1),
  ]),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(5).nullish(),
});
const text = z.object({ type: z.literal("text"), text: z.string() });
const messageSchema = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z
    .union([z.string(), z.array(text).transform((parts) => parts.map((part) => part.text).join(""))])
    .nullish()
    .transform((content) => content ?? ""),
});
export const chatSchema = z.object({
  ...shared,
  messages: z.array(messageSchema).min(1),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
});

export type CompletionRequest = z.infer<typeof completionSchema>;
export type ChatRequest = z.infer<typeof chatSchema>;
export type SharedRequest = Pick<CompletionRequest, keyof typeof shared>;

/** Fields that would change the answer and cannot be followed here, and the values that ask for nothing. */
const refused: { readonly [field: string]: (value: unknown) => boolean } = {
  suffix: (value) => value === "",
  best_of: (value) => value === 1,
  tools: (value) => Array.isArray(value) && value.length === 0,
  tool_choice: (value) => value === "none" || value === "auto",
  functions: (value) => Array.isArray(value) && value.length === 0,
  function_call: (value) => value === "none" || value === "auto",
  response_format: (value) => (value as { type?: unknown }).type === "text",
  modalities: (value) => Array.isArray(value) && value.every((each) => each === "text"),
  audio: () => false,
  prediction: () => false,
  web_search_options: () => false,
  reasoning_effort: () => false,
};

/**
 * The request in a body, checked. Throws an `ApiError` that names the field for what is wrong or cannot be had; fields
 * that do not change the answer are let through unread.
 */
export function requestOf<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new ApiError(400, "the body must be a JSON object");
  for (const [field, isHarmless] of Object.entries(refused)) {
    const value = (body as Record<string, unknown>)[field];
    if (value !== undefined && value !== null && !isHarmless(value))
      throw new ApiError(400, `${field} is not supported by this server`, {
        param: field,
        code: "unsupported_parameter",
      });
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") ?? "";
  throw new ApiError(400, `${path === "" ? "request" : path}: ${issue?.message}`, { param: path === "" ? null : path });
}
