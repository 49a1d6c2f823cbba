/** Runs a study: makes its context, keeps what it remembers, judges its claims, writes its report. */
import { join } from "#platform";
import { writeFileAtomic } from "../data/files.ts";
import type { Claims } from "./claim.ts";
import type { Figure } from "./figure.ts";
import { describeMachine } from "./machine.ts";
import { decodePiece, encodePiece, openPieces } from "./pieces.ts";
import { judge, type Report, type StudyResult } from "./result.ts";
import { type Scale, StoppedError, type Study, type StudyContext, type StudyProgress } from "./study.ts";

export interface RunOptions {
  readonly scale: Scale;
  /** By default as many as the study says for the scale, from 0. */
  readonly seeds?: readonly number[];
  /** Said in the result; the array language must have been told already. */
  readonly device: string;
  /** Folder of reports; this run writes below `<out>/<slug>-<scale>`. */
  readonly out: string;
  /** Forget what an earlier, interrupted run left. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
  /** Called with each figure as soon as the study has it. */
  readonly onFigure?: (figure: Figure) => void;
  /** The command that repeats this run. */
  readonly command: string;
}

/** Where a run keeps its pieces and writes its report. */
export const runFolder = (out: string, slug: string, scale: Scale): string => join(out, `${slug}-${scale}`);

/** Names in the folder of a run that its artifacts cannot have. */
const RESERVED: ReadonlySet<string> = new Set(["report.json", "report.html", "pieces"]);

/**
 * Runs a study to its verdicts and writes `report.json` and `report.html`. Pieces that the study remembered are kept
 * until it is done, so an interrupted run continues; a finished run starts anew. Rejects with `StoppedError` when the
 * signal is aborted.
 */
export async function runStudy<C extends Claims>(study: Study<C>, options: RunOptions): Promise<StudyResult> {
  const { report, forget } = await measureStudy(study, options);
  const folder = runFolder(options.out, study.slug, options.scale);
  const [json, page] = [join(folder, "report.json"), join(folder, "report.html")];
  const result = { ...report.result, artifacts: [json, page, ...report.result.artifacts] };
  // Plots need a DOM and more: loaded at the end, so that the work starts at once.
  const { renderPage } = await import("./page.ts");
  await writeFileAtomic(page, renderPage({ ...report, result }));
  await writeFileAtomic(json, `${JSON.stringify(result, null, 2)}\n`);
  await forget();
  return result;
}

/** What a study gave, and how what it remembered on the way is removed. */
export interface Measured {
  readonly report: Report;
  forget(): Promise<void>;
}

/** `runStudy` without its report: nothing is written but what the study remembers, and its artifacts. */
export async function measureStudy<C extends Claims>(study: Study<C>, options: RunOptions): Promise<Measured> {
  const { scale, device, out, signal = new AbortController().signal, onProgress, onFigure, command } = options;
  const seeds = options.seeds ?? Array.from({ length: study.seeds[scale] }, (_, i) => i);
  const folder = runFolder(out, study.slug, scale);
  const machine = describeMachine();
  const pieces = await openPieces(join(folder, "pieces"), `fourward ${machine.fourward} on ${device}`);
  if (options.fresh) await pieces.clear();
  const figures: Figure[] = [];
  const notes: string[] = [];
  const artifacts: string[] = [];
  const started = new Date();
  // What an interrupted run spent on the pieces that are taken from it.
  let earlierSeconds = 0;
  const stopIfAsked = (): void => {
    if (signal.aborted) throw new StoppedError();
  };
  const context: StudyContext = {
    scale,
    seeds,
    device,
    signal,
    folder,
    progress: (progress) => onProgress?.(progress),
    figure: (figure) => {
      figures.push(figure);
      onFigure?.(figure);
    },
    note: (text) => notes.push(text),
    artifact: async (name, data) => {
      if (!/^[\w][\w.-]*$/.test(name) || RESERVED.has(name))
        throw new RangeError(`artifact: expected a file name such as "model.onnx", got "${name}"`);
      const path = join(folder, name);
      await writeFileAtomic(path, data);
      if (!artifacts.includes(path)) artifacts.push(path);
      return path;
    },
    remember: async (key, fn) => {
      stopIfAsked();
      const known = await pieces.read(key);
      if (known) {
        earlierSeconds += known.seconds;
        return known.value as Awaited<ReturnType<typeof fn>>;
      }
      const begun = performance.now();
      const value = await fn();
      // What was cut short by the signal is not a result.
      stopIfAsked();
      await pieces.write(key, { value, seconds: (performance.now() - begun) / 1000 });
      // As it will be read back, so that a run in two halves sees the same as a run in one.
      return (decodePiece(encodePiece({ value })) as { value: Awaited<ReturnType<typeof fn>> }).value;
    },
    overSeeds: async (fn) => {
      const results = [];
      for (const [index, seed] of seeds.entries()) {
        stopIfAsked();
        results.push(await fn(seed, index));
      }
      return results;
    },
  };
  const measurements = await study.run(context);
  stopIfAsked();
  const { claims, run, abstract, seeds: _, ...facts } = study;
  const result: StudyResult = {
    paper: facts,
    scale,
    seeds,
    device,
    evidence: scale !== "smoke",
    machine,
    started: started.toISOString(),
    seconds: earlierSeconds + (Date.now() - started.getTime()) / 1000,
    command,
    claims: judge(claims, measurements),
    measurements,
    notes,
    artifacts,
  };
  return { report: { study, result, figures }, forget: () => pieces.clear() };
}
