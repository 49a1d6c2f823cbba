/** Data that studies read when they run in a browser: texts, images and the embedded model, as this machine has them. */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { Hono } from "hono";
import { type PageFile, pageData, pageFileList } from "../../data/page-data.ts";

/** Files by their names; what is not in the list is not there. They are looked for when the list is first asked for. */
export function dataRoutes(): Hono {
  const app = new Hono();
  let known: Promise<ReadonlyMap<string, PageFile>> | null = null;
  const files = () => {
    known ??= pageData().then((list) => new Map(list.map((file) => [file.path, file])));
    known.catch(() => {
      known = null;
    });
    return known;
  };
  app.get("/files.json", async (c) =>
    c.body(pageFileList([...(await files()).values()]), 200, {
      "content-type": "application/json",
      "cache-control": "no-cache",
    }),
  );
  app.get("/*", async (c, next) => {
    const file = (await files()).get(decodeURIComponent(c.req.path.replace(/^\/data\//, "")));
    if (!file) return next();
    const etag = `"${file.sha256.slice(0, 32)}"`;
    const headers = { etag, "cache-control": "no-cache" };
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, headers);
    return c.body(Readable.toWeb(createReadStream(file.from)) as ReadableStream, 200, {
      ...headers,
      "content-type": "application/octet-stream",
      "content-length": String(file.bytes),
    });
  });
  return app;
}
