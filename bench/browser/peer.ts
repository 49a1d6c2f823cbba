/**
 * A peer in a headless Chromium: the same program as in Node, built for production, in a page of its own that may use
 * threads. Requests come on standard input as everywhere; the page answers them.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";
import { chromiumPath, launch, serve } from "../../test/browser/chromium.ts";

const pages = fileURLToPath(new URL("pages", import.meta.url));
const own = (name: string): string => join(pages, name);

/** What peers import that pages have in another form. */
const forms: { readonly [name: string]: string } = {
  "../serve.ts": own("serve.ts"),
  "node:fs": own("files.ts"),
  "node:module": own("own.ts"),
  "./web-worker.ts": own("own.ts"),
  "./starts.ts": own("starts.ts"),
  "onnxruntime-node": fileURLToPath(import.meta.resolve("onnxruntime-web/wasm")),
  "../../src/array/runtime/node.ts": fileURLToPath(new URL("../../src/array/runtime/web.ts", import.meta.url)),
};

const inPages: Plugin = {
  name: "peers",
  enforce: "pre",
  resolveId: (id, importer) => (importer?.includes("/bench/") ? (forms[id] ?? null) : null),
  transform: {
    filter: { id: /\/bench\/.*\.ts$/ },
    handler: (code) => ({
      code: code.replace('import.meta.resolve("@jax-js/jax")', "location.href"),
      moduleSideEffects: true,
    }),
  },
};

const jaxVersion = (): string => {
  const manifest = new URL("../package.json", import.meta.resolve("@jax-js/jax"));
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
};

async function main(name: string): Promise<void> {
  if (chromiumPath === undefined) throw new Error("no Chromium on the path; set CHROMIUM to its program");
  const folder = mkdtempSync(join(tmpdir(), "fourward-bench-page-"));
  await build({
    root: pages,
    configFile: false,
    logLevel: "silent",
    base: "./",
    plugins: [inPages],
    define: {
      "process.env.BENCH_THREADS": JSON.stringify(process.env.BENCH_THREADS),
      "process.env.JAX_VERSION": JSON.stringify(jaxVersion()),
    },
    worker: { format: "es" },
    // tfjs gives its workers the text of a function, which does not survive being shortened.
    build: {
      outDir: folder,
      emptyOutDir: true,
      minify: false,
      target: "es2023",
      rolldownOptions: { input: own(`${name}.html`) },
    },
  });
  const site = await serve({ "/numbers/": "/", "/": folder }, { isolated: true });
  const browser = await launch({ handleSIGTERM: false });
  const close = async (): Promise<void> => {
    await browser.close();
    await site.close();
    rmSync(folder, { recursive: true, force: true });
  };
  // At the end of a comparison its peers are told to stop, whatever they are doing.
  process.once("SIGTERM", () => close().finally(() => process.exit(0)));
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(`${site.address}/${name}.html`);
    await page
      .waitForFunction(() => "answer" in globalThis, undefined, { timeout: 60_000 })
      .catch(() => {
        throw new Error(errors[0] ?? "the page does not answer");
      });
    for await (const line of createInterface({ input: process.stdin })) {
      const request = JSON.parse(line) as { readonly job?: { readonly file: string } };
      const reply = await page
        .evaluate(
          async ([asked, address]) => {
            const peer = globalThis as unknown as {
              fetchNumbers(address: string): Promise<void>;
              answer(request: unknown): Promise<object>;
            };
            if (address) await peer.fetchNumbers(address);
            return peer.answer(asked);
          },
          [request, request.job ? `/numbers${request.job.file}` : ""] as const,
        )
        .catch((error: Error) => ({ error: error.message }));
      process.stdout.write(`${JSON.stringify(reply)}\n`);
    }
  } finally {
    await close();
  }
}

await main(process.argv[2] as string);
