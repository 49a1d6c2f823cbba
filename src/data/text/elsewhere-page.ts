/** Texts from outside this package, in a page: it has none. */
import type * as inNode from "./elsewhere.ts";

const refuse = (source: string): never => {
  throw new Error(`corpus ${source}: a page has only the corpus of its data address, books-and-speeches`);
};

export const readTextPath: typeof inNode.readTextPath = async (path) => refuse(path);
export const hub: typeof inNode.hub = async () => refuse("of the Hugging Face hub");
