/** Letters as text and HTML. Whatever comes from elsewhere is text, and is written as text. */
import { escapeHtml as escaped } from "../../report/format.ts";
import type { DigestContent, DigestPaper } from "./schedule.ts";

/** A letter without its headers. */
export interface LetterText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const page = (body: string): string =>
  `<!doctype html><html lang="en"><body style="font-family:sans-serif;max-width:40em;line-height:1.5">${body}</body></html>`;

/** Where papers and subscriptions are found: the address of the site, without a slash at its end. */
type Base = string;

const paperAddress = (base: Base, { slug }: DigestPaper): string => `${base}/papers/${encodeURIComponent(slug)}`;

/** The address that a token is used at. */
export const tokenAddress = (base: Base, purpose: "confirm" | "unsubscribe", token: string): string =>
  `${base}/subscription/${purpose}?token=${token}`;

/** The letter that asks whether a subscription was meant. */
export function confirmLetter(base: Base, token: string): LetterText {
  const address = tokenAddress(base, "confirm", token);
  const why = "Somebody, probably you, asked for Fourward's daily digest of papers at this address.";
  const ignore = "If it was not you, do nothing: you will get no further letter.";
  return {
    subject: "Confirm your subscription to Fourward's digest",
    text: `${why}\nTo confirm it within two days, open\n\n${address}\n\n${ignore}\n`,
    html: page(
      `<p>${escaped(why)}</p><p><a href="${escaped(address)}">Confirm the subscription</a> within two days.</p><p>${escaped(ignore)}</p>`,
    ),
  };
}

/** The daily digest. */
export function digestLetter(base: Base, { date, trending, newlyRuns }: DigestContent, token: string): LetterText {
  const leave = tokenAddress(base, "unsubscribe", token);
  const sections = [
    { title: "Newly runs", papers: newlyRuns },
    { title: "Trending", papers: trending },
  ].filter(({ papers }) => papers.length > 0);
  const first = newlyRuns[0] ?? trending[0];
  const text = sections.map(
    ({ title, papers }) => `${title.toUpperCase()}\n\n${papers.map((p) => paperText(base, p)).join("\n")}`,
  );
  const html = sections.map(
    ({ title, papers }) => `<h2>${title}</h2>${papers.map((p) => paperHtml(base, p)).join("")}`,
  );
  const nothing = "There are no papers on your topics yet.";
  return {
    subject: first ? `Fourward ${date}: ${first.title}` : `Fourward ${date}`,
    text: `${text.join("\n\n") || nothing}\n\nUnsubscribe: ${leave}\n`,
    html: page(
      `<h1>Fourward, ${date}</h1>${html.join("") || `<p>${nothing}</p>`}<p><a href="${escaped(leave)}">Unsubscribe</a></p>`,
    ),
  };
}

const run = ({ slug, runs }: DigestPaper): string => (runs ? `fourward run ${slug}` : "");

const paperText = (base: Base, paper: DigestPaper): string =>
  [
    `${paper.title} (${paper.year})`,
    `  ${paper.about}`,
    ...(paper.runs ? [`  Run it: ${run(paper)}`] : []),
    `  ${paperAddress(base, paper)}`,
    "",
  ].join("\n");

const paperHtml = (base: Base, paper: DigestPaper): string =>
  `<h3><a href="${escaped(paperAddress(base, paper))}">${escaped(paper.title)}</a> (${paper.year})</h3>` +
  `<p>${escaped(paper.about)}</p>${paper.runs ? `<p>Run it: <code>${escaped(run(paper))}</code></p>` : ""}`;
