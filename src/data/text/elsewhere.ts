/** Texts from outside this package: from the Hugging Face hub, and the user's own. */
export { readTextPath } from "./user-text.ts";

/** Reading Parquet files is loaded only by those who do. */
export const hub = () => import("./hub.ts");
