/** The report of a study as one self-contained HTML page. */
import { escapeHtml, formatDuration, intervalText, measuredText, publishedText } from "./format.ts";
import { drawFigure, factsList, htmlDocument, machineFacts } from "./html.ts";
import { paletteOf } from "./plot.ts";
import type { ClaimResult, Report } from "./result.ts";

/** Draws the page. It needs no script and loads nothing. */
export function renderPage({ study, result, figures }: Report): string {
  const { paper, machine } = result;
  const title = `${paper.number}. ${paper.title}`;
  const palette = paletteOf(figures);
  return htmlDocument({
    title,
    main: `<header>
<p class="kicker">Paper ${paper.number} · ${paper.year} · measured at scale <strong>${result.scale}</strong></p>
<h1>${escapeHtml(paper.title)}</h1>
<p class="source">${escapeHtml(paper.source)}</p>
<p>${escapeHtml(study.abstract)}</p>
${!result.evidence ? '<p class="warning">At smoke scale only the mechanism is exercised: the verdicts below are no evidence.</p>' : ""}
</header>
<section>
<h2>Claims beside measurements</h2>
<div class="scroll"><table class="claims">
<thead><tr><th scope="col">Claim</th><th scope="col" class="number">Published</th><th scope="col" class="number">Measured</th><th scope="col">${result.evidence ? "Verdict" : "Mechanism only"}</th></tr></thead>
<tbody>${result.claims.map(claimRow).join("")}</tbody>
</table></div>
<p class="fine">± is one standard deviation over ${result.seeds.length} ${result.seeds.length === 1 ? "seed" : "seeds"}. A claim holds if the whole 95 % interval of the mean lies on its side of the figure, fails if none of it does.</p>
${result.notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join("\n")}
</section>
${figures.map((figure) => drawFigure(figure, palette)).join("\n")}
${factsList("How this was measured", [
  ["Command", `<code>${escapeHtml(result.command)}</code>`],
  ["Seeds", result.seeds.join(", ")],
  ["Time", `${formatDuration(result.seconds)}, started ${escapeHtml(result.started)}`],
  ...machineFacts(machine, result.device),
])}`,
  });
}

const marks = { holds: "✓", fails: "✗", inconclusive: "?" } as const;

const claimRow = (claim: ClaimResult): string => `
<tr><th scope="row">${escapeHtml(claim.text)}<span class="fine">${escapeHtml(claim.where)}${claim.note ? `. ${escapeHtml(claim.note)}` : ""}</span></th>
<td class="number" data-label="Published">${escapeHtml(publishedText(claim))}</td>
<td class="number" data-label="Measured">${escapeHtml(measuredText(claim))}<span class="fine">${escapeHtml(intervalText(claim))}</span></td>
<td><span class="verdict ${claim.verdict}"><span aria-hidden="true">${marks[claim.verdict]}</span> ${claim.verdict}</span></td></tr>`;
