/** What is made of an answer of a source. */
import { z } from "zod";
import type { FoundPaper } from "../papers.ts";
import { topicsOf } from "../topics.ts";

export interface Parsed {
  readonly papers: readonly FoundPaper[];
  /** Entries that are not as they should be, and were left out. */
  readonly broken: number;
}

/** Identifiers since 2007 (`2511.01234`) and before (`cs/0501001`, `math.GT/0309136`), with a version or without. */
const identifier = /^(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?\/\d{7})(?=v\d+$|$)/;

const line = z
  .string()
  // Control characters have no business in a title, and PostgreSQL's text cannot hold the first of them.
  .transform((text) => text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim())
  .pipe(z.string().min(1).max(20_000));

const entry = z.object({
  arxiv: z.string().transform((text, context) => {
    const found = identifier.exec(text)?.[0];
    if (found === undefined) context.addIssue("no arXiv identifier");
    return found ?? z.NEVER;
  }),
  title: line,
  abstract: line,
  authors: z.array(line).max(5000),
  appearedAt: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
});

/** Papers among entries that a source gave; entries of a wrong form are counted, not taken. */
export function checked(entries: readonly unknown[]): Parsed {
  const results = entries.map((given) => entry.safeParse(given));
  const papers = results.flatMap(({ data }) =>
    data ? [{ ...data, topics: topicsOf(`${data.title} ${data.abstract}`) }] : [],
  );
  return { papers, broken: results.length - papers.length };
}
