/** Programs that use the parts of a paper, by slug. Only the server's half of the build has them. */

const files = import.meta.glob<string>("../samples/*.ts", { query: "?raw", import: "default", eager: true });

/** The program of a paper; undefined where there is none. */
export const sampleOf = (slug: string): string | undefined => {
  const path = `../samples/${slug}.ts`;
  return Object.hasOwn(files, path) ? files[path] : undefined;
};
