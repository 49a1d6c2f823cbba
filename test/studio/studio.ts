/** A studio for tests: over small studies, with a client that shows its data as text. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Feed, syncCatalogue } from "../../src/feed/index.ts";
import { RateLimiter } from "../../src/studio/rate.ts";
import { type RunningStudio, type StudioOptions, startStudio } from "../../src/studio/server.ts";
import { library } from "./library.ts";

/** Rates that no test reaches. */
const generous = () => new RateLimiter({ burst: 1e6, perMinute: 1e6 }, "requests");
export const unlimited = () => ({
  ...{ writes: generous(), computed: generous(), signIns: generous(), subscriptions: generous() },
});

/** Writes a client's build into a folder, whose pages show titles and abstracts as text. */
export function writeSite(folder: string): string {
  mkdirSync(join(folder, "client", "assets"), { recursive: true });
  mkdirSync(join(folder, "server"), { recursive: true });
  const manifest = {
    "src/entry-client.ts": { file: "assets/index-abc.js", isEntry: true, css: ["assets/index-abc.css"] },
  };
  writeFileSync(join(folder, "client", "manifest.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "client", "assets", "index-abc.js"), `console.log(${JSON.stringify("x".repeat(4000))});`);
  writeFileSync(join(folder, "client", "assets", "index-abc.css"), "body{}");
  writeFileSync(join(folder, "server", "package.json"), '{"type":"module"}');
  writeFileSync(
    join(folder, "server", "entry.js"),
    `const text = (s) => String(s ?? "").replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
    export const render = (url, data) => ({
      head: "<title>" + text(data.page) + "</title>",
      body: "<main><h1>" + text(data.paper?.title ?? data.error ?? data.run?.title ?? data.said?.message ?? data.page) + "</h1>"
        + (data.list?.papers ?? []).map((p) => "<p>" + text(p.title) + text(p.about) + "</p>").join("")
        + "<p>" + text(data.paper?.abstract) + "</p></main>",
    });
    export const runsInBrowser = (slug) => ({ can: slug === "quick", why: slug === "quick" ? null : "too slow" });`,
  );
  return folder;
}

export interface TestStudio extends AsyncDisposable {
  readonly studio: RunningStudio;
  readonly folder: string;
  readonly log: string[];
  /** A browser of its own: keeps cookies, and says where its requests come from. */
  browser(): Browser;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: replies are looked at by tests, which say what they expect
  readonly json: any;
}

export interface Browser {
  readonly cookies: Map<string, string>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
}

export async function testStudio(feed: Feed, more: Partial<StudioOptions> = {}): Promise<TestStudio> {
  const folder = mkdtempSync(join(tmpdir(), "fourward-studio-"));
  await syncCatalogue(feed.db, library);
  const log: string[] = [];
  const studio = await startStudio({
    ...{ feed, library, host: "127.0.0.1", port: 0, runsFolder: join(folder, "runs"), concurrency: 0 },
    ...{ siteFolder: writeSite(join(folder, "site")), worker: new URL("./worker.ts", import.meta.url) },
    // A busy machine is no slow client.
    ...{ headerSeconds: 120, requestSeconds: 120 },
    ...{ rates: unlimited(), mailDomain: "example.org", heartbeatSeconds: 0.3, log: (line: string) => log.push(line) },
    ...more,
  });
  return {
    ...{ studio, folder, log },
    browser: () => browser(studio.port),
    async [Symbol.asyncDispose]() {
      await studio.close({ graceSeconds: 5 });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function browser(port: number): Browser {
  const cookies = new Map<string, string>();
  const ask = async (method: string, path: string, body: string | undefined, headers: Record<string, string>) => {
    const reply = await rawRequest(port, method, path, body, {
      ...{ "sec-fetch-site": "same-origin" },
      ...(cookies.size > 0 ? { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") } : {}),
      ...headers,
    });
    for (const cookie of reply.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) as unknown as [string, string, string];
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    return reply;
  };
  return {
    cookies,
    get: (path, headers = {}) => ask("GET", path, undefined, headers),
    send: (method, path, body = {}, headers = {}) =>
      ask(method, path, typeof body === "string" ? body : JSON.stringify(body), {
        ...{ "content-type": "application/json" },
        ...headers,
      }),
  };
}

/** A request as it is written: `fetch` would mend paths and refuse headers. */
export function rawRequest(
  port: number,
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((done, fail) => {
    // Node says no length of its own for DELETE.
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const options = { port, host: "127.0.0.1", method, path, headers: { ...length, ...headers }, agent: false };
    const request = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", fail);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const all = new Headers();
        for (const [name, value] of Object.entries(response.headers))
          for (const each of [value ?? []].flat()) all.append(name, each);
        let json: unknown = null;
        if (/json/.test(all.get("content-type") ?? "") && text !== "") json = JSON.parse(text);
        done({ status: response.statusCode ?? 0, headers: all, text, json });
      });
    });
    request.on("error", (error) => fail(new Error(`${method} ${path.slice(0, 100)}: ${error.message}`)));
    request.end(body);
  });
}
