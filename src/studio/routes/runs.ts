/** Runs: starting, looking, cancelling, what they left. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Hono } from "hono";
import { hashedVisitor, type RunRow } from "../../feed/index.ts";
import { runFolder } from "../../report/run.ts";
import { type RunRequest, startRun } from "../api.ts";
import { REPORT_POLICY } from "../guard.ts";
import { modelMethods } from "../models.ts";
import { bodyOf, Refusal } from "../refusal.ts";
import { askCancel, enqueue, LimitError } from "../runs/queue.ts";
import { queueLength, type RunResult, runsOf } from "../runs/read.ts";
import { folderOf } from "../runs/runner.ts";
import { modelNames, ownHash, runFor, type Studio } from "../studio.ts";
import { accessOf, type StudioContext, visitorOf } from "../visitor.ts";
import { detailOf, runAt } from "./run-detail.ts";
import { runEventStream } from "./stream.ts";

/** A title for what is asked for; refuses what cannot be run here. */
async function titleOf(studio: Studio, request: RunRequest): Promise<string> {
  if (request.kind === "study") {
    const { library } = studio.papers;
    const entry = library.catalogue.find(({ slug }) => slug === request.slug);
    if (!entry || !Object.hasOwn(library.studies, request.slug))
      throw new Refusal(404, `there is no study of ${request.slug} that can be run`);
    return entry.title;
  }
  if (!modelNames(studio).includes(request.model)) throw new Refusal(404, `there is no model ${request.model} here`);
  const methods = await modelMethods();
  const [name, known] =
    request.kind === "probe" ? [request.probe, methods.probes] : [request.method, methods.conversions];
  const method = known[name];
  if (!Object.hasOwn(known, name) || !method) throw new Refusal(404, `there is no ${request.kind} ${name}`);
  const parsed = method.schema.safeParse(request.settings);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Refusal(400, `settings: ${issue?.path.join(".") || name}: ${issue?.message ?? "not as expected"}`);
  }
  return `${request.model}: ${method.title}`;
}

/** The file of a run's folder in which it is. Names are those that the run told, without a path. */
const pathIn = ({ runsFolder }: Studio, { id, request }: RunRow, name: string): string => {
  const asked = request as RunRequest;
  const folder = folderOf(runsFolder, id);
  return join(asked.kind === "study" ? runFolder(folder, asked.slug, asked.scale) : folder, name);
};

async function fileOf(studio: Studio, row: RunRow, name: string): Promise<Buffer> {
  const { files = [] } = (row.result as RunResult | null) ?? {};
  if (!files.includes(name)) throw new Refusal(404, "this run left no such file");
  return readFile(pathIn(studio, row, name)).catch(() => {
    throw new Refusal(404, "this file is not on this machine, or not there any more");
  });
}

export function runRoutes(studio: Studio): Hono {
  const { feed, access, limits, runner, now } = studio;
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  app.get("/", async (c) => {
    const visitor = await ownHash(studio, c);
    const rows = visitor ? await runsOf(feed.db, visitor) : [];
    const { queued, running } = await queueLength(feed.db);
    return c.json({
      runs: await Promise.all(rows.map((row) => runFor(studio, row, visitor))),
      queue: { queued, running },
    });
  });
  app.post("/", async (c) => {
    const { may, why } = accessOf(c, access);
    if (!may) throw new Refusal(401, why ?? "you may not start runs");
    const request = await bodyOf(c, startRun, "run");
    const title = await titleOf(studio, request);
    const hashes = await hashedVisitor(feed.db, visitorOf(c, access));
    try {
      const row = await enqueue(feed.db, { request, title, ...hashes }, limits, now());
      runner.kick();
      return c.json(await runFor(studio, row, hashes.visitor), 201);
    } catch (error) {
      if (error instanceof LimitError) throw new Refusal(error.own ? 429 : 503, error.message, error.retrySeconds);
      throw error;
    }
  });
  app.get("/:id", async (c) => c.json(await detailOf(studio, await runAt(studio, c), await ownHash(studio, c))));
  app.post("/:id/cancel", async (c) => {
    const row = await runAt(studio, c);
    const visitor = await ownHash(studio, c);
    if (row.visitor !== visitor) throw new Refusal(403, "only the visitor who started a run may cancel it");
    if ((await askCancel(feed.db, row.id, now())) === null) throw new Refusal(409, `this run is ${row.state} already`);
    await runner.cancel(row.id);
    return c.json(await runFor(studio, await runAt(studio, c), visitor));
  });
  app.get("/:id/events", async (c) => runEventStream(studio, c, await runAt(studio, c), await ownHash(studio, c)));
  app.get("/:id/report", async (c) => {
    const page = await fileOf(studio, await runAt(studio, c), "report.html");
    return c.body(new Uint8Array(page), 200, {
      ...{ "content-type": "text/html; charset=utf-8", "content-security-policy": REPORT_POLICY },
      "x-frame-options": "SAMEORIGIN",
    });
  });
  app.get("/:id/files/:name", async (c) => {
    const name = c.req.param("name");
    const content = await fileOf(studio, await runAt(studio, c), name);
    return c.body(new Uint8Array(content), 200, {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    });
  });
  return app as unknown as Hono;
}
