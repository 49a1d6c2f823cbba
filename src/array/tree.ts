/** Trees of tensors: parameters, states and arguments are plain nested objects and arrays. */
import { describe, Tensor } from "./tensor.ts";

/** A tensor, or arrays and objects of trees. */
export type Tree = Tensor | readonly Tree[] | { readonly [name: string]: Tree };

/** Leaves that are not tensors; a compiled function treats them as constants of the trace. */
export type Static = number | string | boolean | null | undefined;

/** A tree whose leaves may also be static values. */
export type TreeLike = Tensor | Static | readonly TreeLike[] | { readonly [name: string]: TreeLike };

/** A tree taken apart: its tensors in order, a dotted path for each, and a way to put others in their place. */
export interface Flat<T> {
  readonly leaves: readonly Tensor[];
  /** `layers.0.weight`; empty for a lone tensor. */
  readonly paths: readonly string[];
  /** Everything but the tensors: equal strings mean equal structure and equal static leaves. */
  readonly structure: string;
  /** The same tree with other tensors; throws if the count differs. */
  readonly rebuild: (leaves: readonly Tensor[]) => T;
}

/** Takes a tree apart. Object keys keep their order. Throws on functions, class instances and other foreign leaves. */
export function flatten<T>(tree: T): Flat<T> {
  const leaves: Tensor[] = [];
  const paths: string[] = [];
  const structure: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (value instanceof Tensor) {
      leaves.push(value);
      paths.push(path);
      structure.push("*");
    } else if (Array.isArray(value)) {
      structure.push("[");
      value.forEach((item, i) => {
        visit(item, path === "" ? String(i) : `${path}.${i}`);
        structure.push(",");
      });
      structure.push("]");
    } else if (isPlainObject(value)) {
      structure.push("{");
      for (const [name, item] of Object.entries(value)) {
        structure.push(JSON.stringify(name), ":");
        visit(item, path === "" ? name : `${path}.${name}`);
        structure.push(",");
      }
      structure.push("}");
    } else if (value === undefined || value === null || ["number", "string", "boolean"].includes(typeof value)) {
      structure.push(
        typeof value === "number"
          ? Object.is(value, -0)
            ? "-0"
            : String(value)
          : (JSON.stringify(value) ?? "undefined"),
      );
    } else {
      throw new TypeError(
        `tree: expected tensors, numbers, strings, booleans, arrays or plain objects, got ${describe(value)}${path ? ` at "${path}"` : ""}`,
      );
    }
  };
  visit(tree, "");
  return {
    leaves,
    paths,
    structure: structure.join(""),
    rebuild: (others) => {
      if (others.length !== leaves.length) {
        throw new RangeError(`tree: expected ${leaves.length} tensors to rebuild it, got ${others.length}`);
      }
      let next = 0;
      const build = (value: unknown): unknown => {
        if (value instanceof Tensor) return others[next++];
        if (Array.isArray(value)) return value.map(build);
        if (isPlainObject(value))
          return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, build(item)]));
        return value;
      };
      return build(tree) as T;
    },
  };
}

/** The tree with `fn` applied to each tensor. */
export function mapTree<T>(tree: T, fn: (x: Tensor, path: string) => Tensor): T {
  const { leaves, paths, rebuild } = flatten(tree);
  return rebuild(leaves.map((x, i) => fn(x, paths[i] as string)));
}

/** The tree with `fn` applied to the tensors that stand at the same place in several trees of one structure. */
export function zipTrees<T>(operation: string, trees: readonly [T, ...T[]], fn: (...xs: Tensor[]) => Tensor): T {
  const [first, ...rest] = trees.map((tree) => flatten(tree)) as [Flat<T>, ...Flat<T>[]];
  for (const other of rest) {
    if (other.structure !== first.structure) {
      throw new TypeError(`${operation}: the trees differ in structure: ${differingPath(first, other)}`);
    }
  }
  return first.rebuild(first.leaves.map((x, i) => fn(x, ...rest.map((other) => other.leaves[i] as Tensor))));
}

/** Says where two flattened trees part. */
export function differingPath(a: Flat<unknown>, b: Flat<unknown>): string {
  const onlyA = a.paths.find((path) => !b.paths.includes(path));
  if (onlyA !== undefined) return `"${onlyA}" is in the first only`;
  const onlyB = b.paths.find((path) => !a.paths.includes(path));
  if (onlyB !== undefined) return `"${onlyB}" is in the second only`;
  return `${a.structure} against ${b.structure}`;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
