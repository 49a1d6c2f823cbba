/** What a step of a job costs whatever computes it: operations and bytes, from the graph of Fourward's program. */
import { bytesMade, bytesRead, flopCount } from "../../src/array/index.ts";

export interface Work {
  /** Which way of doing the job. */
  readonly id: string;
  /** Floating-point operations of products. */
  readonly operations: number;
  /**
   * Bytes of arguments that are read, each use counted, and of all other tensors, each written once and read once. Null
   * where control flow makes that depend on values.
   */
  readonly bytes: number | null;
}

/** The work of a way whose call does so many steps, by step. The arguments need no values. */
export function workOf<A extends readonly unknown[]>(
  id: string,
  fn: (...args: A) => unknown,
  args: A,
  steps = 1,
): Work {
  const made = madeBy(fn, args);
  const read = bytesRead(fn, ...args).reduce((a, b) => a + b, 0);
  return { id, operations: flopCount(fn, ...args) / steps, bytes: made === null ? null : (read + 2 * made) / steps };
}

function madeBy<A extends readonly unknown[]>(fn: (...args: A) => unknown, args: A): number | null {
  try {
    return bytesMade(fn, ...args);
  } catch {
    return null;
  }
}
