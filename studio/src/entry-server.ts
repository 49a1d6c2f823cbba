/** Renders a page of the studio to HTML, for readers without JavaScript and for the first paint. */
import { render as renderComponent } from "svelte/server";
import type { PageData, PaperDetail } from "../../src/studio/api.ts";
import App from "./App.svelte";

export { sampleOf } from "./samples.ts";

/** What a page consists of; the server puts it into a document. */
export interface RenderedPage {
  /** Goes into `<head>`: title, description, fonts, the script that sets the theme. */
  readonly head: string;
  /** Goes into `<div id="app">`. */
  readonly body: string;
}

/** Whether a study runs in a browser: all do; what data is missing there one says when it runs. */
export const runsInBrowser = (_slug: string): PaperDetail["runsInBrowser"] => ({ can: true, why: null });

/** The page at `url`, which is absolute, with its data. */
export function render(url: string, data: PageData): RenderedPage {
  const { head, body } = renderComponent(App, { props: { data, url } });
  return { head, body };
}
