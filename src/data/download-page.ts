/** Downloads in a page: there are none, since what a page may read is at its own data address. */
import type { download as inNode } from "./download.ts";

/** Says that nothing was downloaded, as the one in Node says it of addresses that do not answer. */
export const download: typeof inNode = async () => "a page downloads nothing but the files that its data address lists";
