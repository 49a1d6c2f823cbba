/** Addresses of the list of papers: what a form without JavaScript sends, and what the API takes. */
import type { PaperList } from "../../../src/studio/api.ts";

/** What is looked for. */
export type ListQuery = PaperList["query"];

/** Parameters of an address; what is as by default is left out. */
export function listParameters({ q, topic, runs, from, to, sort, page }: ListQuery): URLSearchParams {
  const parameters = new URLSearchParams();
  if (q) parameters.set("q", q);
  for (const name of topic) parameters.append("topic", name);
  if (runs) parameters.set("runs", "true");
  if (from !== null) parameters.set("from", String(from));
  if (to !== null) parameters.set("to", String(to));
  if (sort !== (q ? "relevance" : "trending")) parameters.set("sort", sort);
  if (page > 1) parameters.set("page", String(page));
  return parameters;
}

/** The address of a list. */
export function listAddress(query: ListQuery): string {
  const parameters = String(listParameters(query));
  return parameters ? `/?${parameters}` : "/";
}
