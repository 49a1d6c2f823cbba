/** Hugging Face's daily papers: `/api/daily_papers?date=2026-11-24`, a list in JSON. */
import { z } from "zod";
import { SourceError } from "./client.ts";
import { checked, type Parsed } from "./parsed.ts";

/** Milliseconds between requests. */
export const HUGGING_FACE_INTERVAL = 1000;

/** The address of the papers of a day. */
export const huggingFaceAddress = (base: string, day: Date): string =>
  `${base.replace(/\/+$/, "")}/api/daily_papers?date=${day.toISOString().slice(0, 10)}`;

const item = z.object({
  paper: z.object({
    id: z.string(),
    title: z.string(),
    summary: z.string(),
    authors: z.array(z.object({ name: z.string() })).default([]),
    publishedAt: z.string(),
  }),
});

/** Papers of a day. Throws `SourceError` for what is no list in JSON. */
export function parseHuggingFace(text: string): Parsed {
  const items = z.array(z.unknown()).safeParse(jsonOf(text));
  if (!items.success) throw new SourceError("Hugging Face sent something that is no list of papers");
  return checked(
    items.data.map((given) => {
      const { data } = item.safeParse(given);
      if (!data) return null;
      const { id, title, summary, authors, publishedAt } = data.paper;
      return { arxiv: id, title, abstract: summary, authors: authors.map(({ name }) => name), appearedAt: publishedAt };
    }),
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
