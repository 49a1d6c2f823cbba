/** The pages, rendered from the same data that the API gives. */
import { type Context, Hono } from "hono";
import { type SubscriptionView, subscriptionRoutes } from "../../feed/digest/index.ts";
import { type Answer, prepare } from "../answers.ts";
import type { PageData } from "../api.ts";
import { clientOf } from "../guard.ts";
import { listModels } from "../models.ts";
import { listPapers, listTopics, showPaper } from "../papers.ts";
import { keptAnswer, send } from "../send.ts";
import { type Site, type SiteFile, withoutSite } from "../site.ts";
import type { Studio } from "../studio.ts";
import type { StudioContext } from "../visitor.ts";
import { noSuchPaper, queryOf, slugOf } from "./papers.ts";
import { detailOf, runAt } from "./run-detail.ts";
import { noMail } from "./subscriptions.ts";

const HTML = "text/html; charset=utf-8";

/** The address as a page needs it: from the host that was asked for. */
const urlOf = (c: StudioContext): string => new URL(c.req.url).href;

/** A page that is the same for everybody: rendered once and kept. */
const rendered = (site: Site | null, url: string, data: PageData): Promise<string> =>
  site ? site.page(url, data) : Promise.resolve(withoutSite(data));

/** The page that says what went wrong. */
export async function problemPage(c: StudioContext, { site }: Studio, status: number, error: string) {
  c.header("cache-control", "no-store");
  return c.html(await rendered(site, urlOf(c), { page: "problem", status, error }), status as 404);
}

export function pageRoutes(studio: Studio): Hono {
  const { papers, site, feed, mailDomain, onSubscribed, models, access, rates, now } = studio;
  const sendsMail = mailDomain !== null;
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  const keep = async (c: StudioContext, asked: readonly unknown[], make: () => Promise<PageData>) =>
    send(
      c,
      // Rendered with the address that was asked for, so that one host's page is not another's.
      await keptAnswer(c, studio, ["page", new URL(c.req.url).origin, ...asked], HTML, async () =>
        rendered(site, urlOf(c), await make()),
      ),
    );
  app.get("/", (c) => {
    const query = queryOf(c);
    return keep(c, ["home", query], async () => ({
      ...{ page: "home", sendsMail },
      ...{ list: await listPapers(papers, query, now()), topics: await listTopics(papers) },
    }));
  });
  app.get("/papers/:slug", (c) => {
    const slug = slugOf(c);
    return keep(c, ["paper", slug], async () => {
      const paper = await showPaper(papers, slug, now());
      if (!paper) throw noSuchPaper(slug);
      return { page: "paper", paper };
    });
  });
  app.get("/models", (c) => keep(c, ["models"], async () => ({ page: "models", models: await listModels(models) })));
  app.get("/runs/:id", async (c) => {
    const run = await detailOf(studio, await runAt(studio, c), "");
    c.header("cache-control", "no-store");
    return c.html(await rendered(site, urlOf(c), { page: "run", run }));
  });

  const show = async (c: Context, view: SubscriptionView) => {
    const data: PageData = { page: "subscription", ...view, topics: await listTopics(papers), sendsMail };
    // The token is in the address: only where it leads may know it.
    return c.html(await rendered(site, urlOf(c as StudioContext), data));
  };
  if (mailDomain === null) app.all("/subscription/*", () => Promise.reject(noMail()));
  else {
    app.use("/subscription", async (c, next) => {
      if (c.req.method === "POST") rates.subscriptions.take(clientOf(c, access));
      await next();
    });
    app.route(
      "/subscription",
      subscriptionRoutes({ db: feed.db, domain: mailDomain, now, onSubscribed, ...(site ? { show } : {}) }) as never,
    );
  }
  return app as unknown as Hono;
}

/** A year: names of hashed files change with what is in them. */
const FOR_EVER = "public, max-age=31536000, immutable";
/** Packed already. */
const PACKED = /^(image\/(?!svg)|font\/)/;

/** Files of the client by their names. Each is compressed when it is first asked for. */
export function fileRoutes({ site }: Studio): Hono {
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  const ready = new Map<string, Promise<Answer>>();
  const answerOf = (name: string, { content, type, isHashed }: SiteFile): Promise<Answer> => {
    const known = ready.get(name);
    if (known) return known;
    const made = prepare(content, type, {
      ...{ cacheControl: isHashed ? FOR_EVER : "no-cache", isCompressed: PACKED.test(type) },
      // Large ones would take seconds at the highest.
      quality: content.length > 2 ** 20 ? 5 : 11,
    });
    ready.set(name, made);
    return made;
  };
  app.get("*", async (c, next) => {
    const { path } = c.req;
    const file = site?.files.get(path);
    if (!file) return next();
    return send(c, await answerOf(path, file));
  });
  return app as unknown as Hono;
}
