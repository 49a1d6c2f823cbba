/** A page that runs a study in its worker, as the studio does. */
import type { BrowserRun, BrowserRunOptions } from "../../../src/browser/index.ts";

export interface StudyOutcome {
  readonly run?: BrowserRun;
  readonly page?: string;
  readonly failed?: { readonly name: string; readonly message: string };
  readonly progresses: number;
  readonly figures: number;
}

Object.assign(globalThis, {
  runStudy: (slug: string, options: BrowserRunOptions, stopAfter?: number): Promise<StudyOutcome> => {
    const worker = new Worker(new URL("./study.worker.ts", import.meta.url), { type: "module" });
    let [progresses, figures] = [0, 0];
    return new Promise<StudyOutcome>((resolve) => {
      worker.onmessage = ({ data }) => {
        if (data.progress) progresses++;
        else if (data.figure) figures++;
        else resolve({ ...data, progresses, figures });
      };
      worker.onerror = ({ message }) => resolve({ failed: { name: "Error", message }, progresses, figures });
      worker.postMessage({ slug, options, stopAfter });
    }).finally(() => worker.terminate());
  },
});
