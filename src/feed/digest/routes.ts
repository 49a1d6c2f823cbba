/** The pages behind the links of letters, and the form that subscribes. They work without JavaScript. */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { html } from "hono/html";
import type { Kysely } from "kysely";
import type { FeedSchema } from "../schema.ts";
import { confirm, subscribe, unsubscribe } from "./subscriptions.ts";

export interface RoutesOptions {
  readonly db: Kysely<FeedSchema>;
  /** Domain of Message-IDs. */
  readonly domain: string;
  readonly now?: () => Date;
}

const layout = (title: string, body: unknown) =>
  html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer"><title>${title}</title></head><body><main><h1>${title}</h1>${body}</main></body></html>`;

/**
 * `GET /` is a form, and `POST /` subscribes; `GET /confirm` and `GET /unsubscribe` ask with a button, since programs that
 * look at mail follow links; `POST` on them does it. `POST /unsubscribe` is also what one click in a mail program sends
 * (RFC 8058). Answers do not tell whether an address is known.
 */
export function subscriptionRoutes({ db, domain, now = () => new Date() }: RoutesOptions): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: 16 * 1024 }));
  app.use(async (c, next) => {
    await next();
    c.header("content-security-policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    c.header("cache-control", "no-store");
  });
  const say = (c: Context, status: 200 | 400, title: string, text: string) =>
    c.html(layout(title, html`<p>${text}</p>`), status);

  app.get("/", (c) =>
    c.html(
      layout(
        "Daily digest of papers",
        html`<form method="post"><p><label>Email <input name="email" type="email" required></label></p><p><label>Topics, with commas; none for all <input name="topics"></label></p><p><label>Hour, 0 to 23 <input name="hour" type="number" min="0" max="23" value="8" required></label></p><p><label>Time zone <input name="timeZone" value="UTC" required></label></p><p><button>Subscribe</button></p></form>`,
      ),
    ),
  );
  app.post("/", async (c) => {
    const form = await c.req.parseBody();
    const text = (name: string) => (typeof form[name] === "string" ? form[name] : "");
    const topics = text("topics")
      .split(/[\s,]+/)
      .filter(Boolean);
    const hour = /^\d{1,2}$/.test(text("hour")) ? Number(text("hour")) : Number.NaN;
    try {
      await subscribe(db, { email: text("email"), topics, hour, timeZone: text("timeZone") }, { now: now(), domain });
    } catch (error) {
      if (error instanceof RangeError) return say(c, 400, "Not subscribed", error.message);
      throw error;
    }
    return say(c, 200, "Look into your mail", "If this address can be subscribed, a letter asks you to confirm it.");
  });

  const actions = {
    confirm: { act: confirm, button: "Confirm the subscription", done: "The subscription is confirmed." },
    unsubscribe: { act: unsubscribe, button: "Unsubscribe", done: "You will get no further digest." },
  } as const;
  for (const [name, { act, button, done }] of Object.entries(actions)) {
    app.get(`/${name}`, (c) => c.html(layout(button, html`<form method="post"><button>${button}</button></form>`)));
    app.post(`/${name}`, async (c) =>
      (await act(db, c.req.query("token") ?? "", now()))
        ? say(c, 200, button, done)
        : say(c, 400, button, "This link is not known, has been used, or is too old."),
    );
  }
  return app;
}
