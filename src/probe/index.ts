/** Measurements on models. */
export { type RoutedHits, routedHits, usageEntropy } from "./routing.ts";
