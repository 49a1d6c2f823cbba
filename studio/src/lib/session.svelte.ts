/** What the server knows of this visitor, asked for once a page and shared by its parts. */
import type { Session } from "../../../src/studio/api.ts";
import { api } from "./api.ts";

let current = $state.raw<Session | null>(null);
let asked: Promise<Session> | null = null;

/** The session, null until the server has answered. */
export const session = (): Session | null => current;

/** Asks the server, once; `again` asks once more. */
export function loadSession(again = false): Promise<Session> {
  if (again || !asked) {
    asked = api<Session>("/api/session").then((answer) => {
      current = answer;
      return answer;
    });
    // The next call tries again.
    asked.catch(() => {
      asked = null;
    });
  }
  return asked;
}

/** Takes what the server answered to a sign-in. */
export function setSession(answer: Session): void {
  current = answer;
}
