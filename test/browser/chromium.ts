/** Pages built for production, served from this machine, in a headless Chromium. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type LaunchOptions } from "playwright-core";
import { build, type Plugin } from "vite";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The browser's program: `CHROMIUM`, or one of its names on the path; undefined if there is none. */
export const chromiumPath: string | undefined =
  process.env.CHROMIUM ??
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find(existsSync);

/** Why tests in a browser do not run here; undefined if they do. */
export const noChromium: string | undefined =
  chromiumPath === undefined ? "no Chromium on the path; set CHROMIUM to its program" : undefined;

export function launch(options: LaunchOptions = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath as string,
    ...options,
    args: ["--no-sandbox", ...(options.args ?? [])],
  });
}

const pages = fileURLToPath(new URL("pages", import.meta.url));

/** What tests import that pages have in another form. */
const inPages: { readonly [name: string]: string } = {
  vitest: join(pages, "vitest.ts"),
  "fast-check": join(pages, "fast-check.ts"),
  // What checks exported models asks for Node's package by name.
  "onnxruntime-node": fileURLToPath(import.meta.resolve("onnxruntime-web/wasm")),
};

const testsInPages: Plugin = {
  name: "tests",
  enforce: "pre",
  resolveId: (id, importer) => (inPages[id] === importer?.split("?")[0] ? null : (inPages[id] ?? null)),
  // Modules of this package do nothing when they are imported, it says; files of tests do.
  transform: { filter: { id: /\.test\.ts$/ }, handler: (code) => ({ code, moduleSideEffects: true }) },
};

/** Builds pages of this folder, named without `.html`, as a user's bundler would, into `out`. */
export async function buildPages(names: readonly string[], out: string): Promise<void> {
  await build({
    root: pages,
    configFile: false,
    logLevel: "error",
    base: "./",
    plugins: [testsInPages],
    worker: { format: "es" },
    build: {
      outDir: out,
      emptyOutDir: true,
      target: "es2023",
      chunkSizeWarningLimit: 10_000,
      rolldownOptions: { input: names.map((name) => join(pages, `${name}.html`)) },
    },
  });
}

const TYPES: { readonly [extension: string]: string } = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

export interface Site {
  readonly address: string;
  close(): Promise<void>;
}

/** Serves folders and files, each under its prefix, and texts, to this machine; an isolated page may use threads. */
export async function serve(
  folders: { readonly [prefix: string]: string },
  { isolated, texts = {} }: { readonly isolated: boolean; readonly texts?: { readonly [path: string]: string } },
): Promise<Site> {
  const server = createServer(async ({ url = "/" }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
    const prefix = Object.keys(folders).find((start) => path.startsWith(start));
    try {
      if (prefix === undefined) throw new Error("no such page");
      const content = texts[path] ?? (await readFile(join(folders[prefix] as string, path.slice(prefix.length))));
      response.writeHead(200, {
        "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
        ...(isolated
          ? { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }
          : {}),
      });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
