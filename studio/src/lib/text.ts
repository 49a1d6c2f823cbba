/** Dates and counts as text, the same on the server as in a browser. */

const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

/** `24 November 2026`. */
export const dayOf = (time: string): string => date.format(new Date(time));

/** `1 paper`, `2 papers`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
