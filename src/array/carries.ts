/** Carries of a loop that its body joins: an update of many small parameters as one vector, say. */
import { inline, nodesOf } from "./graph.ts";
import { concat, reshape, split } from "./layout.ts";
import { sizeOf } from "./shape.ts";
import { type Graph, inNewScope, type Node, placeholder, type Tensor } from "./tensor.ts";

/** Some carries of a body, what joins them there, and the tensor whose parts they are after a step. */
interface Joined {
  /** Their places among the carries, in the order in which they are joined. */
  readonly places: readonly number[];
  readonly before: Tensor;
  readonly after: Tensor;
}

/** A loop with fewer carries, and what gives the old ones back from the last of the new. */
export interface PackedLoop {
  readonly inits: readonly Tensor[];
  readonly body: Graph;
  /** The old places of carries that are carried as before; they come first. */
  readonly kept: readonly number[];
  readonly unpack: (last: readonly Tensor[]) => readonly Tensor[];
}

const unshaped = (x: Tensor): Tensor => (x.node.rules.name === "reshape" ? unshaped(x.node.inputs[0] as Tensor) : x);

/** True for the joining and the cutting of vectors. */
const ofVector = (node: Node<never>, name: string, x: Tensor | undefined): boolean =>
  node.rules.name === name && x?.rank === 1;

/** Groups of carries that a node of the body joins to a vector, and that are parts of a vector again after the step. */
function joinedCarries(body: Graph, carries: number, isFree: (carry: number) => boolean): Joined[] {
  const placeOf = new Map(body.inputs.slice(0, carries).map((x, i) => [x, i]));
  const taken = new Set<number>();
  const groups: Joined[] = [];
  for (const node of nodesOf(body.outputs)) {
    const before = node.outputs[0] as Tensor;
    if (!ofVector(node, "concat", before)) continue;
    const places = node.inputs.map((x) => placeOf.get(unshaped(x)) ?? -1);
    if (new Set(places).size < places.length || !places.every((i) => i >= 0 && isFree(i) && !taken.has(i))) continue;
    const parts = places.map((i) => unshaped(body.outputs[i] as Tensor));
    const cut = (parts[0] as Tensor).node;
    const after = cut.inputs[0];
    if (!after || !ofVector(cut, "split", after) || after.dtype !== before.dtype) continue;
    if (cut.outputs.length !== parts.length || parts.some((x, k) => x !== cut.outputs[k])) continue;
    for (const i of places) taken.add(i);
    groups.push({ places, before, after });
  }
  return groups;
}

/**
 * The same loop with carries that its body joins to a vector, and cuts from one after the step, carried as that vector: two
 * operators less for each in every step. `isFree` says of which carries nobody reads the values before each step. Null if
 * there is nothing to join.
 */
export function packCarries(
  inits: readonly Tensor[],
  body: Graph,
  isFree: (carry: number) => boolean,
): PackedLoop | null {
  const groups = joinedCarries(body, inits.length, isFree);
  if (groups.length === 0) return null;
  const packed = new Set(groups.flatMap(({ places }) => places));
  const kept = inits.flatMap((_, i) => (packed.has(i) ? [] : [i]));
  /** The carries of all places, from those that are kept and one vector for each group. */
  const unpack = (next: readonly Tensor[]): Tensor[] => {
    const all: Tensor[] = [];
    for (const [k, i] of kept.entries()) all[i] = next[k] as Tensor;
    for (const [k, { places }] of groups.entries()) {
      const shapes = places.map((i) => (inits[i] as Tensor).shape);
      const parts = split(next[kept.length + k] as Tensor, { sizes: shapes.map(sizeOf) });
      for (const [j, i] of places.entries()) all[i] = reshape(parts[j] as Tensor, shapes[j] as readonly number[]);
    }
    return all;
  };
  const join = (xs: readonly Tensor[]) => concat(xs.map((x) => reshape(x, [x.size])));
  const others = body.inputs.slice(inits.length);
  return {
    inits: [
      ...kept.map((i) => inits[i] as Tensor),
      ...groups.map(({ places }) => join(places.map((i) => inits[i] as Tensor))),
    ],
    body: inNewScope(() => {
      const types = [...kept.map((i) => body.inputs[i] as Tensor), ...groups.map(({ before }) => before), ...others];
      const inputs = types.map((type, i) => placeholder(type, `p${i}`));
      const vectors = inputs.slice(kept.length, kept.length + groups.length);
      const outputs = inline(
        {
          inputs: [...body.inputs, ...groups.map(({ before }) => before)],
          outputs: [
            ...kept.map((i) => body.outputs[i] as Tensor),
            ...groups.map(({ after }) => after),
            ...body.outputs.slice(inits.length),
          ],
        },
        [...unpack(inputs), ...inputs.slice(kept.length + groups.length), ...vectors],
      );
      return { inputs, outputs };
    }),
    kept,
    unpack,
  };
}
