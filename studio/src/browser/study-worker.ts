/** Runs a study in a thread of the page. */
import { reportPage, runInBrowser } from "../../../src/browser/index.ts";
import type { Figure } from "../../../src/report/figure.ts";
import type { JsonFigure } from "../../../src/studio/api.ts";
import type { FromStudy, ToStudy } from "./messages.ts";

const say = (message: FromStudy): void => postMessage(message);

/** Pixels as base64, as the server sends them. */
function toJson(figure: Figure): JsonFigure {
  if (figure.kind !== "pictures") return figure;
  const text = (pixels: Uint8Array) => btoa(Array.from(pixels, (byte) => String.fromCharCode(byte)).join(""));
  return { ...figure, rows: figure.rows.map((row) => ({ ...row, pictures: row.pictures.map(text) })) };
}

self.onmessage = async ({ data: { slug, scale } }: MessageEvent<ToStudy>) => {
  try {
    const run = await runInBrowser(slug, {
      scale,
      data: new URL("/data/", self.location.origin).href,
      onProgress: (progress) => say({ kind: "progress", progress }),
      onFigure: (figure) => say({ kind: "figure", figure: toJson(figure) }),
    });
    const { seconds, command, seeds, evidence, claims, notes } = run.result;
    say({ kind: "done", seconds, command, seeds, evidence, claims, notes, report: await reportPage(run) });
  } catch (error) {
    say({ kind: "failed", failure: error instanceof Error ? error.message : String(error) });
  }
};
