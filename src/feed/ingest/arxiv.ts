/** arXiv's Atom interface: https://info.arxiv.org/help/api/user-manual.html */
import { DOMParser } from "linkedom";
import { SourceError } from "./client.ts";
import { checked, type Parsed } from "./parsed.ts";

/** The base of its addresses. */
export const ARXIV = "https://export.arxiv.org";
/** arXiv asks for three seconds between requests. */
export const ARXIV_INTERVAL = 3000;
/** Entries of a page. */
export const ARXIV_PAGE = 100;

/** What is asked for: feed-forward and Fourier networks in machine learning, language and vision. */
export const ARXIV_QUERY =
  '(abs:"feed-forward" OR abs:feedforward OR abs:Fourier OR abs:"neural operator" OR abs:"mixture of experts") AND (cat:cs.LG OR cat:cs.CL OR cat:cs.CV)';

/** The address of a page of papers, latest first. */
export function arxivAddress(base: string, start: number): string {
  const asked = new URLSearchParams({
    search_query: ARXIV_QUERY,
    start: String(start),
    max_results: String(ARXIV_PAGE),
    sortBy: "submittedDate",
    sortOrder: "descending",
  });
  return `${base.replace(/\/+$/, "")}/api/query?${asked}`;
}

/** Papers of an Atom feed. Throws `SourceError` for what is no whole feed, and for an error that arXiv reports in one. */
export function parseArxiv(text: string): Parsed {
  // The parser makes something of any text; half a feed must not pass for a short one.
  if (!/<feed[\s>]/.test(text) || !/<\/feed>\s*$/.test(text))
    throw new SourceError("arXiv sent something that is no whole Atom feed");
  const document = new DOMParser().parseFromString(text, "text/xml");
  const entries = [...document.querySelectorAll("entry")].map((node) => {
    const textOf = (name: string) => node.querySelector(name)?.textContent;
    const [id = "", title] = [textOf("id")?.trim(), textOf("title")];
    if (/\/api\/errors/.test(id)) throw new SourceError(`arXiv reports an error: ${textOf("summary")?.trim()}`);
    return {
      ...{ arxiv: id.replace(/^https?:\/\/[^/]+\/abs\//, ""), title, abstract: textOf("summary") },
      authors: [...node.querySelectorAll("author > name")].map((name) => name.textContent),
      appearedAt: textOf("published")?.trim(),
    };
  });
  return checked(entries);
}
