/**
 * fast-check with a quarter of the cases: WebAssembly runs them several times slower than Node, and the shapes that are
 * drawn first are the same.
 */
import * as fc from "fast-check";

const SHARE = 1 / 4;
const fewer = ({ numRuns = 100 }: { readonly numRuns?: number | undefined } = {}): { numRuns: number } => ({
  numRuns: Math.max(3, Math.ceil(numRuns * SHARE)),
});

export default {
  ...fc,
  assert: (property: fc.IRawProperty<unknown>, options?: fc.Parameters<unknown>) =>
    fc.assert(property, { ...options, ...fewer(options) }),
  sample: (generator: fc.Arbitrary<unknown>, options?: fc.Parameters<unknown>) =>
    fc.sample(generator, { ...options, ...fewer(options) }),
};
