/** `fourward show` */
import { findPaper, isImplemented, type Library } from "../papers/index.ts";
import { formatNumber } from "../report/format.ts";
import { columns, wrap } from "./text.ts";

const sides = { atLeast: "at least", atMost: "at most", equals: "equals" } as const;

/** Prints what a paper is and what it claims. */
export async function show(papers: Library, query: string, { json }: { json?: boolean }): Promise<void> {
  const entry = findPaper(query, papers.catalogue);
  const study = await papers.studies[entry.slug]?.();
  if (json) {
    const { claims, abstract, source } = study ?? {};
    process.stdout.write(
      `${JSON.stringify({ ...entry, implemented: isImplemented(entry, papers), source, abstract, claims }, null, 2)}\n`,
    );
    return;
  }
  const lines = [
    `${entry.number}. ${entry.title}`,
    study?.source ?? [entry.year, entry.arxiv && `arXiv:${entry.arxiv}`].filter(Boolean).join(", "),
    "",
    wrap(study?.abstract ?? entry.summary),
    "",
    `topics: ${entry.topics.join(", ")}`,
  ];
  if (study) {
    const rows = Object.values(study.claims).map(({ what, figure, unit, direction, where }) => [
      what,
      `${sides[direction]} ${formatNumber(figure)}${unit && ` ${unit}`}`,
      where,
    ]);
    lines.push("", "claims", columns(rows, { wrapped: 0 }), "", `run it: fourward run ${entry.slug}`);
  } else lines.push("", "This paper cannot be run yet; fourward list --implemented shows those that can.");
  process.stdout.write(`${lines.join("\n")}\n`);
}
