/** Runs studies for a page. */
import { reportPage, runInBrowser } from "../../../src/browser/index.ts";

const stopping = new AbortController();

addEventListener("message", async ({ data: { slug, options, stopAfter } }) => {
  let progresses = 0;
  try {
    const run = await runInBrowser(slug, {
      ...options,
      signal: stopping.signal,
      onProgress: (progress) => {
        postMessage({ progress });
        if (++progresses === stopAfter) stopping.abort();
      },
      onFigure: (figure) => postMessage({ figure }),
    });
    postMessage({ run, page: await reportPage(run) });
  } catch (error) {
    postMessage({ failed: { name: (error as Error).name, message: String((error as Error).stack) } });
  }
});
