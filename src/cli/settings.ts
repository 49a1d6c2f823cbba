/** Options of a method or probe, as `--set` takes them. */

/** `name=value` pairs; numbers become numbers. Throws one sentence for what is no pair. */
export function settings(verb: string, pairs: readonly string[] = []): { readonly [name: string]: unknown } {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new Error(`${verb}: --set expects name=value, got ${JSON.stringify(pair)}`);
      const value = pair.slice(at + 1);
      return [pair.slice(0, at), value !== "" && Number.isFinite(Number(value)) ? Number(value) : value];
    }),
  );
}
