/** Commands as they are typed here. */

/** In a checkout there is no `fourward` on the path. */
export const commandPrefix = (): string => (import.meta.url.endsWith(".ts") ? "npm run -s fourward --" : "fourward");

/** An argument as a shell takes it. */
export const quoted = (argument: string): string =>
  /^[\w./:=,@-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
