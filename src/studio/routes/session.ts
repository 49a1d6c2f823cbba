/** What a visitor may do, and the access token. */
import { Hono } from "hono";
import { signIn } from "../api.ts";
import { clientOf } from "../guard.ts";
import { bodyOf, Refusal } from "../refusal.ts";
import { type Studio, sessionOf } from "../studio.ts";
import { ASKS_TOKEN, isLocal, isSame, knownVisitor, type StudioContext, setAccess } from "../visitor.ts";

export function sessionRoutes(studio: Studio): Hono {
  const { access, rates } = studio;
  const app = new Hono<{ Bindings: StudioContext["env"] }>();
  app.get("/session", async (c) => c.json(await sessionOf(studio, c, knownVisitor(c, access))));
  app.post("/session", async (c) => {
    rates.signIns.take(clientOf(c, access));
    const { token } = await bodyOf(c, signIn, "session");
    if (access.token === null || !isSame(token, access.token)) throw new Refusal(401, "this is not the access token");
    setAccess(c, access, true);
    const session = await sessionOf(studio, c, knownVisitor(c, access));
    // The cookie comes with this answer: the request did not have it yet.
    const isFull = session.active >= session.limits.atOnce;
    return c.json({ ...session, mayRun: !isFull, why: isFull ? session.why : null, needsToken: false });
  });
  app.delete("/session", async (c) => {
    setAccess(c, access, false);
    const session = await sessionOf(studio, c, knownVisitor(c, access));
    // This request still had the cookie.
    const may = isLocal(c, access);
    return c.json(
      may || access.token === null ? session : { ...session, mayRun: false, why: ASKS_TOKEN, needsToken: true },
    );
  });
  return app as unknown as Hono;
}
