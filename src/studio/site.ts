/** The client's build: files that browsers load, and the function that renders pages. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { escapeHtml } from "../report/format.ts";
import type { PageData, PaperDetail } from "./api.ts";

/** A file as it is sent. */
export interface SiteFile {
  readonly content: Buffer;
  readonly type: string;
  /** Whether its name changes with its content, so that browsers may keep it. */
  readonly isHashed: boolean;
}

/** The client. */
export interface Site {
  /** By path in addresses, such as `/assets/index-4f3a.js`. */
  readonly files: ReadonlyMap<string, SiteFile>;
  /** A whole page as HTML. */
  page(url: string, data: PageData): Promise<string>;
  /** Whether a study can run in a browser. */
  runsInBrowser(slug: string): PaperDetail["runsInBrowser"];
  /** A program that uses the parts of a paper; undefined where there is none. */
  sampleOf(slug: string): string | undefined;
}

/** Where `npm run build:studio` leaves the client: beside the compiled package, also for a checkout. */
export const siteFolder = fileURLToPath(new URL("../../dist/studio/", import.meta.url));

const manifestSchema = z.record(
  z.string(),
  z.object({
    file: z.string(),
    isEntry: z.boolean().optional(),
    css: z.array(z.string()).optional(),
    imports: z.array(z.string()).optional(),
  }),
);

/** What the server's half of the build exports. */
interface Entry {
  render(url: string, data: PageData): { head: string; body: string } | Promise<{ head: string; body: string }>;
  runsInBrowser?(slug: string): PaperDetail["runsInBrowser"];
  sampleOf?(slug: string): string | undefined;
}

/** Loads the client's build; null if it has not been made. Throws one sentence if it is not whole. */
export async function loadSite(folder = siteFolder): Promise<Site | null> {
  const [client, entryPath] = [join(folder, "client"), join(folder, "server", "entry.js")];
  if (!existsSync(join(client, "manifest.json")) || !existsSync(entryPath)) return null;
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(client, "manifest.json"), "utf8")));
  const entry = (await import(pathToFileURL(entryPath).href)) as Entry;
  const first = Object.entries(manifest).find(([, { isEntry }]) => isEntry);
  if (!first || typeof entry.render !== "function")
    throw new Error(`studio: the client in ${folder} is not whole; npm run build:studio makes it anew`);
  const links = linksOf(manifest, first[0]);
  return {
    files: await filesIn(client),
    runsInBrowser: (slug) =>
      entry.runsInBrowser?.(slug) ?? { can: false, why: "this client has no studies for browsers in it" },
    sampleOf: (slug) => entry.sampleOf?.(slug),
    async page(url, data) {
      const { head, body } = await entry.render(url, data);
      return document(`${links}${head}`, body, data);
    },
  };
}

/** Scripts and styles of the entry, so that all are asked for at once. */
function linksOf(manifest: z.infer<typeof manifestSchema>, name: string): string {
  const chunks = new Set<string>();
  const visit = (key: string): void => {
    if (chunks.has(key) || !manifest[key]) return;
    chunks.add(key);
    for (const next of manifest[key].imports ?? []) visit(next);
  };
  visit(name);
  const of = [...chunks].flatMap((key) => manifest[key] ?? []);
  // With one style for all chunks, the manifest has it apart from them.
  const alone = Object.values(manifest).flatMap(({ file }) => (file.endsWith(".css") ? [file] : []));
  const styles = new Set([...of.flatMap(({ css = [] }) => css), ...alone]);
  return [
    ...[...styles].map((file) => `<link rel="stylesheet" href="/${escapeHtml(file)}">`),
    ...of.slice(1).map(({ file }) => `<link rel="modulepreload" href="/${escapeHtml(file)}">`),
    `<script type="module" src="/${escapeHtml((manifest[name] as { file: string }).file)}"></script>`,
  ].join("");
}

/** JSON that no HTML parser takes for anything but text. */
export const jsonInHtml = (data: unknown): string =>
  JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

const document = (head: string, body: string, data: PageData): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${head}</head><body><div id="app">${body}</div><script type="application/json" id="fourward-data">${jsonInHtml(data)}</script></body></html>`;

const TYPES: Readonly<Record<string, string>> = {
  ...{ js: "text/javascript; charset=utf-8", mjs: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" },
  ...{ json: "application/json", map: "application/json", txt: "text/plain; charset=utf-8", wasm: "application/wasm" },
  ...{ svg: "image/svg+xml", png: "image/png", webp: "image/webp", ico: "image/x-icon", woff2: "font/woff2" },
};

/** All files below a folder, read once: what is asked for is looked up by name, and no request touches the disk. */
async function filesIn(folder: string): Promise<ReadonlyMap<string, SiteFile>> {
  const files = new Map<string, SiteFile>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "manifest.json") continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length).replaceAll("\\", "/");
    files.set(name, {
      content: await readFile(path),
      type: TYPES[entry.name.slice(entry.name.lastIndexOf(".") + 1)] ?? "application/octet-stream",
      isHashed: name.startsWith("/assets/"),
    });
  }
  return files;
}

/** What pages say where the client has not been built. */
export const withoutSite = (data: PageData): string => {
  const text =
    data.page === "problem" ? data.error : "The API answers below /api; npm run build:studio builds the pages.";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fourward</title></head><body><main><h1>Fourward</h1><p>${escapeHtml(text)}</p></main></body></html>`;
};
