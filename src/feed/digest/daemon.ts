/** Writes and sends digests every minute. */
import { Cron } from "croner";
import type { Kysely } from "kysely";
import type { FeedSchema } from "../schema.ts";
import { scheduleDigests } from "./schedule.ts";
import { type MailSettings, type Sent, sendDue } from "./send.ts";

/** What a minute brought. */
export interface Outcome extends Sent {
  /** Digests that were written into the outbox. */
  readonly written: number;
}

export interface DaemonOptions {
  readonly db: Kysely<FeedSchema>;
  readonly mail: MailSettings;
  /** Told of each minute in which there was something to do. */
  readonly onOutcome?: (outcome: Outcome) => void;
  /** Told what went wrong; the next minute may find the database or the disk well again. */
  readonly onProblem?: (error: unknown) => void;
}

export interface Daemon {
  /** Sends what is due now, such as the letter to somebody who has just subscribed and waits for it. */
  kick(): void;
  /** Stops after the letter in hand. */
  stop(): Promise<void>;
}

/** The domain of an address that letters come from. */
export const domainOf = ({ from }: Pick<MailSettings, "from">): string =>
  from.slice(from.lastIndexOf("@") + 1).replace(/>$/, "");

/** Sends what is due now and every minute from now on. */
export function startDigests({ db, mail, onOutcome, onProblem }: DaemonOptions): Daemon {
  const abort = new AbortController();
  const tick = async (): Promise<void> => {
    try {
      const written = await scheduleDigests(db, { now: new Date(), domain: domainOf(mail) });
      const sent = await sendDue(db, { mail, signal: abort.signal });
      if (written + sent.sent + sent.failed + sent.later > 0) onOutcome?.({ written, ...sent });
    } catch (error) {
      onProblem?.(error);
    }
  };
  let running = tick();
  const job = new Cron("* * * * *", { protect: true }, () => {
    running = running.then(tick);
    return running;
  });
  return {
    kick() {
      if (!abort.signal.aborted) running = running.then(tick);
    },
    stop() {
      abort.abort();
      job.stop();
      return running;
    },
  };
}
