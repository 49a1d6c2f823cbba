/** All routes of the studio, and what is looked at before them. */
import { type Context, Hono } from "hono";
import { matchedRoutes } from "hono/route";
import { checkHost, checkOrigin, type HostOptions, limitBody, limitWrites, withHeaders } from "./guard.ts";
import { listModels } from "./models.ts";
import { Refusal } from "./refusal.ts";
import { dataRoutes } from "./routes/data.ts";
import { fileRoutes, pageRoutes, problemPage } from "./routes/pages.ts";
import { paperRoutes } from "./routes/papers.ts";
import { runRoutes } from "./routes/runs.ts";
import { sessionRoutes } from "./routes/session.ts";
import { subscriptionApi } from "./routes/subscriptions.ts";
import { queueLength } from "./runs/read.ts";
import { keptAnswer, send } from "./send.ts";
import type { Studio } from "./studio.ts";
import { accessOf, type StudioContext } from "./visitor.ts";

export interface AppOptions extends HostOptions {
  readonly log: (line: string) => void;
}

/** Mail programs send one click to it from anywhere; its token is all that it needs (RFC 8058). */
const ONE_CLICK = "/subscription/unsubscribe";

/** The pattern of the route that answered; `*` for files and for what is not there. */
const patternOf = (c: Context): string => matchedRoutes(c).findLast(({ path }) => !path.endsWith("*"))?.path ?? "*";

/** The application. */
export function studioApp(studio: Studio, { log, ...host }: AppOptions): Hono<{ Bindings: StudioContext["env"] }> {
  const { feed, access, rates, metrics, models, version, stopping } = studio;
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  const started = performance.now();

  app.use(withHeaders);
  app.use(async (c, next) => {
    const begun = performance.now();
    await next();
    metrics.answered(c.req.method, patternOf(c), c.res.status, (performance.now() - begun) / 1000);
  });
  app.use(checkHost(host));
  app.use(async (c, next) => {
    if (stopping.aborted && c.req.path !== "/health") {
      c.header("connection", "close");
      throw new Refusal(503, "the server is stopping", 2);
    }
    await next();
  });
  app.use(checkOrigin(access, (path) => path === ONE_CLICK));
  app.use(limitWrites(rates, access));
  app.use(limitBody);

  app.get("/health", async (c) => {
    c.header("cache-control", "no-store");
    const facts = { version, database: feed.kind, uptimeSeconds: Math.round((performance.now() - started) / 1000) };
    try {
      const { queued, running } = await queueLength(feed.db);
      const status = stopping.aborted ? "stopping" : "ok";
      return c.json({ status, ...facts, queue: { queued, running } }, stopping.aborted ? 503 : 200);
    } catch (error) {
      log(`health: the database does not answer (${(error as Error).message})`);
      return c.json({ status: "failing", ...facts, queue: { queued: 0, running: 0 } }, 503);
    }
  });
  app.get("/metrics", async (c) => {
    if (!accessOf(c, access).may) throw new Refusal(401, "metrics are for those who have the access token");
    return c.body(await metrics.text(), 200, { "content-type": metrics.type, "cache-control": "no-store" });
  });

  const api = new Hono<{ Bindings: StudioContext["env"] }>();
  // What is kept ready says itself how long it is good for.
  api.use(async (c, next) => {
    await next();
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  });
  api.route("/", sessionRoutes(studio) as never);
  api.route("/", paperRoutes(studio) as never);
  api.route("/runs", runRoutes(studio) as never);
  api.route("/subscriptions", subscriptionApi(studio) as never);
  api.get("/models", async (c) => {
    const make = async () => JSON.stringify(await listModels(models));
    return send(c, await keptAnswer(c, studio, ["models"], "application/json", make));
  });
  app.route("/api", api);
  app.route("/data", dataRoutes());
  app.route("/", pageRoutes(studio) as never);
  app.route("/", fileRoutes(studio) as never);

  const refuse = async (c: Context, error: Refusal): Promise<Response> => {
    if (error.retrySeconds !== null) c.header("retry-after", String(error.retrySeconds));
    if (error.status === 401) c.header("www-authenticate", "Bearer");
    c.header("cache-control", "no-store");
    if (/^\/(api|health|metrics)(\/|$)/.test(c.req.path)) return c.json({ error: error.message }, error.status);
    return problemPage(c as StudioContext, studio, error.status, error.message);
  };
  app.notFound((c) => refuse(c, new Refusal(404, `there is no ${c.req.method} ${c.req.path}`)));
  app.onError((error, c) => {
    if (error instanceof Refusal) return refuse(c, error);
    log(`${c.req.method} ${c.req.path}: ${error.stack ?? error.message}`);
    return c.json({ error: "something went wrong on the server; it has noted what" }, 500);
  });
  return app;
}
