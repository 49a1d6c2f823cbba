/** What a page and the thread that runs a study for it say to each other. */
import type { StudyResult } from "../../../src/report/result.ts";
import type { JsonFigure, RunProgress } from "../../../src/studio/api.ts";

export interface ToStudy {
  readonly slug: string;
  readonly scale: "smoke" | "small";
}

export type FromStudy =
  | { readonly kind: "progress"; readonly progress: RunProgress }
  | { readonly kind: "figure"; readonly figure: JsonFigure }
  | { readonly kind: "failed"; readonly failure: string }
  | ({ readonly kind: "done" /** The report as HTML. */; readonly report: string } & Pick<
      StudyResult,
      "seconds" | "command" | "seeds" | "evidence" | "claims" | "notes"
    >);
