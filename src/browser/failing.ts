/** Studies that a page cannot run, though Node can, and why: one sentence each. */
const FAILING: ReadonlyMap<string, string> = new Map();

/** Why a paper's study fails in a page, in one sentence; null if nothing is known against it. */
export const failureInPages = (slug: string): string | null => FAILING.get(slug) ?? null;
