/** Papers, topics, votes and reads. */
import { Hono } from "hono";
import { recordRead, recordVote } from "../../feed/index.ts";
import { type PaperQuery, paperQuery, vote } from "../api.ts";
import { listPapers, listTopics, showPaper, votesOf } from "../papers.ts";
import { accepted, bodyOf, Refusal } from "../refusal.ts";
import { keptAnswer, send } from "../send.ts";
import type { Studio } from "../studio.ts";
import { type StudioContext, visitorOf } from "../visitor.ts";

const JSON_TYPE = "application/json";

/** What an address asks for. */
export const queryOf = (c: StudioContext): PaperQuery => {
  const given = c.req.queries();
  const last = Object.fromEntries(Object.entries(given).map(([name, values]) => [name, values.at(-1)]));
  // A field of a form that was left empty says nothing.
  const said = Object.fromEntries(Object.entries(last).filter(([, value]) => value !== ""));
  return accepted(paperQuery, { ...said, ...(given.topic ? { topic: given.topic } : {}) }, "papers");
};

/** The paper's name in an address. */
export function slugOf(c: StudioContext): string {
  const slug = c.req.param("slug") ?? "";
  if (!/^[a-z0-9][a-z0-9.-]{0,99}$/.test(slug)) throw new Refusal(404, "there is no such paper");
  return slug;
}

export const noSuchPaper = (slug: string) => new Refusal(404, `there is no paper ${slug}`);

export function paperRoutes(studio: Studio): Hono {
  const { papers, feed, answers, access, now } = studio;
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  app.get("/papers", async (c) => {
    const query = queryOf(c);
    const make = async () => JSON.stringify(await listPapers(papers, query, now()));
    return send(c, await keptAnswer(c, studio, ["papers", query], JSON_TYPE, make));
  });
  app.get("/topics", async (c) => {
    const make = async () => JSON.stringify(await listTopics(papers));
    return send(c, await keptAnswer(c, studio, ["topics"], JSON_TYPE, make));
  });
  app.get("/papers/:slug", async (c) => {
    const slug = slugOf(c);
    const make = async () => {
      const paper = await showPaper(papers, slug, now());
      if (!paper) throw noSuchPaper(slug);
      return JSON.stringify(paper);
    };
    return send(c, await keptAnswer(c, studio, ["paper", slug], JSON_TYPE, make));
  });
  app.put("/papers/:slug/vote", async (c) => {
    const slug = slugOf(c);
    const { active } = await bodyOf(c, vote, "vote");
    await known(slug, () => recordVote(feed.db, slug, visitorOf(c, access), active, now()));
    answers.changed();
    return c.json({ active, votes: (await votesOf(feed.db, [slug])).get(slug) ?? 0 });
  });
  app.post("/papers/:slug/read", async (c) => {
    const slug = slugOf(c);
    await known(slug, () => recordRead(feed.db, slug, visitorOf(c, access), now()));
    return c.body(null, 204);
  });
  return app as unknown as Hono;
}

/** Does something to a paper, which may not be there. */
async function known(slug: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof RangeError) throw noSuchPaper(slug);
    throw error;
  }
}
