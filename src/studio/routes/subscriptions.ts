/** Subscriptions to the digest, for scripts of the page; its forms are those of `feed/digest`. */
import { Hono } from "hono";
import { ASKED, NO_TOKEN, subscribe as putSubscription, tokenActions } from "../../feed/digest/index.ts";
import { subscribe, useToken } from "../api.ts";
import { clientOf } from "../guard.ts";
import { bodyOf, Refusal } from "../refusal.ts";
import type { Studio } from "../studio.ts";
import type { StudioContext } from "../visitor.ts";

export const noMail = () => new Refusal(503, "this server sends no mail, so that nobody can subscribe here");

export function subscriptionApi(studio: Studio): Hono {
  const { feed, access, rates, mailDomain, onSubscribed, now } = studio;
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  app.post("/", async (c) => {
    if (mailDomain === null) throw noMail();
    const given = await bodyOf(c, subscribe, "subscribe");
    rates.subscriptions.take(clientOf(c, access));
    try {
      await putSubscription(feed.db, given, { now: now(), domain: mailDomain });
    } catch (error) {
      if (error instanceof RangeError) throw new Refusal(400, error.message);
      throw error;
    }
    onSubscribed();
    return c.json({ message: ASKED }, 202);
  });
  for (const action of ["confirm", "unsubscribe"] as const)
    app.post(`/${action}`, async (c) => {
      const { token } = await bodyOf(c, useToken, action);
      const { act, done } = tokenActions[action];
      if (!(await act(feed.db, token, now()))) throw new Refusal(400, NO_TOKEN);
      return c.json({ message: done });
    });
  return app as unknown as Hono;
}
