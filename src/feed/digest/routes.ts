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
  /** Told when a letter that asks for confirmation waits to be sent. */
  readonly onSubscribed?: () => void;
  /** Makes the pages, in place of plain ones of ours; then their policy is the caller's too. */
  readonly show?: (c: Context, view: SubscriptionView) => Response | Promise<Response>;
}

/** A page about subscriptions. */
export interface SubscriptionView {
  readonly action: "subscribe" | "confirm" | "unsubscribe";
  /** What came of what was sent; null where nothing was yet. */
  readonly said: { readonly ok: boolean; readonly message: string } | null;
}

/** What is said to whoever has asked for a subscription, whether the address is known or not. */
export const ASKED = "If this address can be subscribed, a letter asks you to confirm it.";

/** What is said of a token that opens nothing. */
export const NO_TOKEN = "This link is not known, has been used, or is too old.";

/** What letters' links do. */
export const tokenActions = {
  confirm: { act: confirm, button: "Confirm the subscription", done: "The subscription is confirmed." },
  unsubscribe: { act: unsubscribe, button: "Unsubscribe", done: "You will get no further digest." },
} as const;

const layout = (title: string, body: unknown) =>
  html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer"><title>${title}</title></head><body><main><h1>${title}</h1>${body}</main></body></html>`;

/**
 * `GET /` is a form, and `POST /` subscribes; `GET /confirm` and `GET /unsubscribe` ask with a button, since programs that
 * look at mail follow links; `POST` on them does it. `POST /unsubscribe` is also what one click in a mail program sends
 * (RFC 8058). Answers do not tell whether an address is known.
 */
export function subscriptionRoutes({ db, domain, now = () => new Date(), onSubscribed, show }: RoutesOptions): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: 16 * 1024 }));
  app.use(async (c, next) => {
    await next();
    if (!show) c.header("content-security-policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    c.header("cache-control", "no-store");
  });
  const view = async (c: Context, view: SubscriptionView): Promise<Response> => {
    c.status(view.said?.ok === false ? 400 : 200);
    return show ? show(c, view) : c.html(plainPage(view));
  };

  app.get("/", (c) => view(c, { action: "subscribe", said: null }));
  app.post("/", async (c) => {
    const form = await c.req.parseBody({ all: true });
    const texts = (name: string) => [form[name] ?? []].flat().filter((value) => typeof value === "string");
    const text = (name: string) => texts(name)[0] ?? "";
    const topics = texts("topics")
      .flatMap((value) => value.split(/[\s,]+/))
      .filter(Boolean);
    const hour = /^\d{1,2}$/.test(text("hour")) ? Number(text("hour")) : Number.NaN;
    try {
      await subscribe(db, { email: text("email"), topics, hour, timeZone: text("timeZone") }, { now: now(), domain });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return view(c, { action: "subscribe", said: { ok: false, message: error.message } });
    }
    onSubscribed?.();
    return view(c, { action: "subscribe", said: { ok: true, message: ASKED } });
  });

  for (const action of ["confirm", "unsubscribe"] as const) {
    const { act, done } = tokenActions[action];
    app.get(`/${action}`, (c) => view(c, { action, said: null }));
    app.post(`/${action}`, async (c) => {
      const ok = await act(db, c.req.query("token") ?? "", now());
      return view(c, { action, said: { ok, message: ok ? done : NO_TOKEN } });
    });
  }
  return app;
}

/** A page without a style or script. */
function plainPage({ action, said }: SubscriptionView) {
  if (action !== "subscribe") {
    const { button } = tokenActions[action];
    return said
      ? layout(button, html`<p>${said.message}</p>`)
      : layout(button, html`<form method="post"><button>${button}</button></form>`);
  }
  if (said) return layout(said.ok ? "Look into your mail" : "Not subscribed", html`<p>${said.message}</p>`);
  return layout(
    "Daily digest of papers",
    html`<form method="post"><p><label>Email <input name="email" type="email" required></label></p><p><label>Topics, with commas; none for all <input name="topics"></label></p><p><label>Hour, 0 to 23 <input name="hour" type="number" min="0" max="23" value="8" required></label></p><p><label>Time zone <input name="timeZone" value="UTC" required></label></p><p><button>Subscribe</button></p></form>`,
  );
}
