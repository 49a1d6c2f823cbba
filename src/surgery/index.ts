/** Changes to trained models that keep what they compute, or close to it. */
export { type ConfiguredDecoder, deepenFfns, insertIdentityLayer } from "./deepen.ts";
