/** Changes to trained models that keep what they compute, or close to it. */
export { deepenFfns, insertIdentityLayer } from "./deepen.ts";
export { factorizeFfns, mergeFfns, truncatedSvd } from "./factorize.ts";
export { type ConfiguredDecoder, type ConfiguredFfn, replaceFfns } from "./replace.ts";
