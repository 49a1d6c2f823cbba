/**
 * Studies in a page. Work belongs in a web worker, since a graph that runs stops everything else of its thread:
 *
 *     // study.worker.ts
 *     import { runInBrowser } from "fourward/browser";
 *     self.onmessage = async ({ data: { slug, scale } }) => {
 *       const run = await runInBrowser(slug, {
 *         scale,
 *         data: "/data/",
 *         onProgress: (progress) => postMessage({ progress }),
 *         onFigure: (figure) => postMessage({ figure }),
 *       });
 *       postMessage({ result: run.result });
 *     };
 *
 *     // page
 *     const worker = new Worker(new URL("./study.worker.ts", import.meta.url), { type: "module" });
 *
 * Bundlers split it: each paper is loaded when it runs, and so are the runtime (install `onnxruntime-web` beside this
 * package) and the report. Workers must be bundled as modules: `worker: { format: "es" }` in Vite. Threads need a page
 * that is isolated: served, like its scripts, with `Cross-Origin-Opener-Policy: same-origin` and
 * `Cross-Origin-Embedder-Policy: require-corp`. Without, everything runs in one thread. Pages must come from `https` or
 * from `localhost`.
 */
export { setWasmFolder } from "../array/runtime/web.ts";
export { type BrowserRun, type BrowserRunOptions, reportPage, runInBrowser, runsInBrowser } from "./run.ts";
