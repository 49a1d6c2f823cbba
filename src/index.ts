/** Everything that most programs need: the array language, layers, training. The other rooms have paths of their own. */
export * from "./array/index.ts";
export * as nn from "./nn/index.ts";
export * as train from "./train/index.ts";
