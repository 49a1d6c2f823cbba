/** A report in sections, such as that of probes on a model, as one self-contained HTML page. */
import type { Figure } from "./figure.ts";
import { escapeHtml } from "./format.ts";
import { drawFigure, factsList, htmlDocument, machineFacts } from "./html.ts";
import { describeMachine } from "./machine.ts";
import { paletteOf } from "./plot.ts";

/** One part of a report. */
export interface ReportSection {
  readonly title: string;
  readonly text: string;
  /** What a reader must know to read the numbers rightly. */
  readonly caution?: string;
  readonly notes?: readonly string[];
  readonly figures: readonly Figure[];
}

export interface SectionsReport {
  /** A line above the title. */
  readonly kicker: string;
  readonly title: string;
  readonly text: string;
  readonly sections: readonly ReportSection[];
  /** How it was measured, term by term, as text; the machine is added. */
  readonly facts: readonly (readonly [term: string, value: string])[];
  readonly device: string;
}

/** Draws the page. It needs no script and loads nothing. */
export const renderSections = ({ kicker, title, text, sections, facts, device }: SectionsReport): string =>
  htmlDocument({
    title,
    main: [
      `<header><p class="kicker">${escapeHtml(kicker)}</p><h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p></header>`,
      ...sections.map(sectionHtml),
      factsList("How this was measured", [
        ...facts.map(([term, value]) => [term, escapeHtml(value)] as const),
        ...machineFacts(describeMachine(), device),
      ]),
    ].join("\n"),
  });

/** Colours are chosen for each section by itself: its series are its own. */
function sectionHtml({ title, text, caution, notes = [], figures }: ReportSection): string {
  const palette = paletteOf(figures);
  return [
    `<section class="part"><h2>${escapeHtml(title)}</h2><p>${escapeHtml(text)}</p>`,
    ...(caution === undefined ? [] : [`<p class="warning">${escapeHtml(caution)}</p>`]),
    ...notes.map((note) => `<p class="fine">${escapeHtml(note)}</p>`),
    "</section>",
    ...figures.filter((figure) => !isEmpty(figure)).map((figure) => drawFigure(figure, palette)),
  ].join("\n");
}

/** Whether there is nothing to draw: what was looked for was not found. */
function isEmpty(figure: Figure): boolean {
  switch (figure.kind) {
    case "lines":
      return figure.series.length === 0;
    case "bars":
      return figure.bars.length === 0;
    case "flame":
      return figure.root.parts.length === 0;
    case "table":
    case "pictures":
      return figure.rows.length === 0;
  }
}
