/** Runs a study: makes its context, keeps what it remembers, judges its claims, writes its report. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../data/files.ts";
import type { Claims } from "./claim.ts";
import type { Figure } from "./figure.ts";
import { describeMachine } from "./machine.ts";
import { renderPage } from "./page.ts";
import { judge, type StudyResult } from "./result.ts";
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
  /** The command that repeats this run. */
  readonly command: string;
}

/** Where a run keeps its pieces and writes its report. */
export const runFolder = (out: string, slug: string, scale: Scale): string => join(out, `${slug}-${scale}`);

/**
 * Runs a study to its verdicts and writes `report.json` and `report.html`. Pieces that the study remembered are kept
 * until it is done, so an interrupted run continues; a finished run starts anew. Rejects with `StoppedError` when the
 * signal is aborted.
 */
export async function runStudy<C extends Claims>(study: Study<C>, options: RunOptions): Promise<StudyResult> {
  const { scale, device, out, signal = new AbortController().signal, onProgress, command } = options;
  const seeds = options.seeds ?? Array.from({ length: study.seeds[scale] }, (_, i) => i);
  const folder = runFolder(out, study.slug, scale);
  const pieces = join(folder, "pieces");
  if (options.fresh) await rm(pieces, { recursive: true, force: true });
  await mkdir(pieces, { recursive: true });
  const figures: Figure[] = [];
  const notes: string[] = [];
  const started = new Date();
  const stopIfAsked = (): void => {
    if (signal.aborted) throw new StoppedError();
  };
  const context: StudyContext = {
    scale,
    seeds,
    signal,
    folder,
    progress: (progress) => onProgress?.(progress),
    figure: (figure) => figures.push(figure),
    note: (text) => notes.push(text),
    remember: async (key, fn) => {
      stopIfAsked();
      const path = join(pieces, `${createHash("sha256").update(key).digest("hex").slice(0, 24)}.json`);
      const known = await readPiece(path, key);
      if (known !== undefined) return known.value as Awaited<ReturnType<typeof fn>>;
      const value = await fn();
      // What was cut short by the signal is not a result.
      stopIfAsked();
      await writeFileAtomic(path, JSON.stringify({ key, value }));
      return value;
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
  const [json, page] = [join(folder, "report.json"), join(folder, "report.html")];
  const result: StudyResult = {
    paper: facts,
    scale,
    seeds,
    device,
    machine: describeMachine(),
    started: started.toISOString(),
    seconds: (Date.now() - started.getTime()) / 1000,
    command,
    claims: judge(claims, measurements),
    measurements,
    notes,
    artifacts: [json, page],
  };
  await writeFileAtomic(page, await renderPage({ study: study as unknown as Study, result, figures }));
  await writeFileAtomic(json, `${JSON.stringify(result, null, 2)}\n`);
  await rm(pieces, { recursive: true, force: true });
  return result;
}

/** A piece that an earlier run finished; undefined if there is none or the file is of another key. */
async function readPiece(path: string, key: string): Promise<{ value: unknown } | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const piece = JSON.parse(text) as { key: string; value: unknown };
    return piece.key === key ? piece : undefined;
  } catch {
    return undefined;
  }
}
