/** Hours and dates in a subscriber's time zone. */
import { Cron } from "croner";

/** The next full `hour` of a day in a time zone after `after`; days without that hour have it as soon as the clock goes on. */
export function nextHour(hour: number, timezone: string, after: Date): Date {
  const next = new Cron(`0 ${hour} * * *`, { timezone, paused: true }).nextRun(after);
  if (next === null) throw new RangeError(`digest: there is no hour ${hour} in ${timezone}`);
  return next;
}

/** The date in a time zone, as `2026-11-24`. */
export const localDate = (time: Date, timeZone: string): string =>
  new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" }).format(time);

/** Whether this is the name of a time zone that Node knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
