/** Runs a study in a page or, better, in its worker. */
import { readFile, serveFrom } from "#platform";
import { releaseSessions, setDefaults } from "../array/index.ts";
import { studies } from "../papers/index.ts";
import type { Figure } from "../report/figure.ts";
import type { StudyResult } from "../report/result.ts";
import { measureStudy } from "../report/run.ts";
import type { Scale, StudyProgress } from "../report/study.ts";

export interface BrowserRunOptions {
  readonly scale: Scale;
  /** By default as many as the study says for the scale, from 0. */
  readonly seeds?: readonly number[];
  /** `cpu`, which is WebAssembly, by default. */
  readonly device?: "cpu" | "webgpu";
  /** Threads of WebAssembly, said before the first graph of a worker runs; by default all cores, or 1 without isolation. */
  readonly threads?: number;
  /**
   * Address of the folder that `writePageData` of `fourward/data` wrote, relative to the page or worker: texts, images
   * and the embedded model. Studies that need none of them run without.
   */
  readonly data?: string;
  /** Ends the run between two pieces of its work; what was remembered is kept for the next run in the same worker. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
  /** Called with each figure as soon as the study has it. Figures are plain data and typed arrays. */
  readonly onFigure?: (figure: Figure) => void;
}

/** What a run gave; plain data and typed arrays, so it can be sent to another thread. */
export interface BrowserRun {
  /** As in `report.json`; of `artifacts` only the names. */
  readonly result: StudyResult;
  readonly figures: readonly Figure[];
  /** Files that the study made, by name. */
  readonly artifacts: { readonly [name: string]: Uint8Array };
}

/** Whether a paper's study runs in a page, and if not, one sentence that says why: all studies that there are do. */
export const runsInBrowser = (slug: string): { readonly can: boolean; readonly why: string | null } =>
  Object.hasOwn(studies, slug) ? { can: true, why: null } : { can: false, why: `${slug} has no study that runs yet` };

const loaderOf = (slug: string) => {
  const load = studies[slug];
  if (!Object.hasOwn(studies, slug) || !load)
    throw new Error(`runInBrowser: ${slug} has no study that runs; expected one of ${Object.keys(studies).join(", ")}`);
  return load;
};

/** The address whose files are readable. */
let served: string | undefined;

/**
 * Runs the study of a paper to its verdicts. Of two calls at once the second waits for the first. Rejects with
 * `StoppedError` (its `name`) when the signal is aborted, with `SkippedError` when data is missing, and with one sentence
 * when a device is not there or the data address has no files.
 */
export function runInBrowser(slug: string, options: BrowserRunOptions): Promise<BrowserRun> {
  const run = last.then(() => runNow(slug, options));
  last = run.catch(() => undefined);
  return run;
}

let last: Promise<unknown> = Promise.resolve();

async function runNow(
  slug: string,
  { scale, seeds, device = "cpu", threads, data, ...rest }: BrowserRunOptions,
): Promise<BrowserRun> {
  const load = loaderOf(slug);
  if (data !== undefined && data !== served) {
    await serveFrom(data);
    served = data;
  }
  setDefaults({ device, ...(threads === undefined ? {} : { threads }) });
  const given = { scale, ...(seeds ? { seeds } : {}), device, ...(threads === undefined ? {} : { threads }) };
  const command = `runInBrowser(${JSON.stringify(slug)}, ${JSON.stringify(given)})`;
  try {
    const { report, forget } = await measureStudy(await load(), {
      ...rest,
      ...given,
      out: "/reports",
      command,
    });
    const names = report.result.artifacts.map((path) => [path, path.split("/").at(-1) as string] as const);
    const artifacts: Record<string, Uint8Array> = {};
    for (const [path, name] of names) artifacts[name] = await readFile(path);
    await forget();
    return {
      result: { ...report.result, artifacts: names.map(([, name]) => name) },
      figures: report.figures,
      artifacts,
    };
  } finally {
    await releaseSessions();
  }
}

/** The report of a run as one self-contained HTML page. What draws it is loaded with the first call. */
export async function reportPage({ result, figures }: Pick<BrowserRun, "result" | "figures">): Promise<string> {
  const study = await loaderOf(result.paper.slug)();
  const { renderPage } = await import("../report/page.ts");
  return renderPage({ study, result, figures });
}
