/** Studies with a graph that the runtime's WebAssembly (1.30) does not survive, while the same graph runs in Node. */
const FAILING: ReadonlySet<string> = new Set(["transform-once", "location-encoder"]);

/** Why a paper's study fails in a page, in one sentence; null if nothing is known against it. */
export const failureInPages = (slug: string): string | null =>
  FAILING.has(slug) ? `ONNX Runtime's WebAssembly fails in a graph of ${slug}, which runs in Node` : null;
