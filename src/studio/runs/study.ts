/** Runs of studies. */
import { basename } from "node:path";
import { runStudy } from "../../report/run.ts";
import type { RunRequest } from "../api.ts";
import { toJsonFigure } from "./json-figure.ts";
import type { FromWorker } from "./messages.ts";
import type { Work } from "./work.ts";

/** The command that repeats a run of a study. */
export const studyCommand = (slug: string, scale: string, seeds: readonly number[] | undefined): string =>
  `fourward run ${slug} --scale ${scale}${seeds === undefined ? "" : ` --seeds ${seeds.join(",")}`}`;

/** Runs a study, telling its progress, figures and notes as they come. */
export async function doStudy(
  { library, order, signal, say }: Work,
  { slug, scale, seeds }: Extract<RunRequest, { readonly kind: "study" }>,
): Promise<FromWorker> {
  const load = Object.hasOwn(library.studies, slug) ? library.studies[slug] : undefined;
  if (!load) throw new Error(`${slug} cannot be run by this server`);
  const study = await load();
  const result = await runStudy(
    {
      ...study,
      run: (context) =>
        study.run({
          ...context,
          figure: (figure) => {
            say({ kind: "figure", figure: toJsonFigure(figure) });
            context.figure(figure);
          },
          note: (text) => {
            say({ kind: "note", text });
            context.note(text);
          },
        }),
    },
    {
      ...{ scale, device: "cpu", out: order.folder, signal, command: studyCommand(slug, scale, seeds) },
      ...(seeds === undefined ? {} : { seeds }),
      onProgress: (progress) => say({ kind: "progress", progress }),
    },
  );
  return {
    kind: "done",
    outcome: {
      kind: "study",
      ...{ scale, seeds: [...result.seeds], evidence: result.evidence, seconds: result.seconds },
      command: result.command,
      claims: result.claims.map((claim) => ({ ...claim, spread: { ...claim.spread } })),
    },
    files: result.artifacts.map((path) => basename(path)),
  };
}
