/** The graph that programs are traced into: tensors, the nodes that compute them, and the scopes they are made in. */
import { allocate, type DType, getElement, type HostArray, isFloat, setElement, storesIn } from "./dtype.ts";
import type { OnnxBuilder } from "./onnx/builder.ts";
import { checkShape, type Shape, showShape, sizeOf } from "./shape.ts";
import { currentSite, type Site } from "./site.ts";

/** Shape and element type: all that is known of a tensor while tracing. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Static parameters of a node: plain data, no tensors. */
export type Params = Readonly<Record<string, unknown>>;

/** A function from input placeholders to outputs. A body of control flow is closed: it uses nothing but its inputs. */
export interface Graph {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** What a node looks like to a gradient rule. */
export interface GradientContext<P> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly params: P;
  readonly bodies: readonly Graph[];
  /** For each input, whether its gradient is asked for; rules may give null where it is not. */
  readonly needs: readonly boolean[];
}

/** The rules that give a primitive its meaning, in the general form (any number of outputs). */
export interface PrimitiveRules<P = Params> {
  readonly name: string;
  /** Output types; throws one sentence if the inputs do not fit. */
  readonly types: (inputs: readonly TensorType[], params: P, bodies: readonly Graph[]) => readonly TensorType[];
  /** Gradients of the inputs from those of the outputs (null: none arrived, or none exists). Null: not differentiable. */
  readonly gradient: ((dys: readonly (Tensor | null)[], at: GradientContext<P>) => readonly (Tensor | null)[]) | null;
  /** Emits ONNX nodes and gives the names of the outputs. */
  readonly onnx: (graph: OnnxBuilder, inputs: readonly string[], node: Node<P>) => readonly string[];
  /** Floating-point operations of products of tensors, a multiplication and an addition each counted; none by default. */
  readonly operations?: ((node: Node<P>) => number) | undefined;
  /** Elements that are read of each input; all of them by default. A view reads none: who reads it reads its input. */
  readonly reads?: ((node: Node<P>) => readonly number[] | "view") | undefined;
  /** Inputs whose known values are to be stored in the model, however large they are, instead of being fed; none by default. */
  readonly stores?: ((node: Node<P>) => readonly number[]) | undefined;
  /** Value for scalar operands, for constant folding. */
  readonly scalar?: ((...operands: number[]) => number) | undefined;
}

/** One application of a primitive. Ids grow with creation, so sorting by id is a topological order. */
export interface Node<P = Params> {
  readonly id: number;
  readonly rules: PrimitiveRules<P>;
  readonly inputs: readonly Tensor[];
  readonly params: P;
  readonly bodies: readonly Graph[];
  readonly outputs: readonly Tensor[];
  /** Where the node was made; loop-invariant nodes are moved outwards. */
  scope: Scope;
  /** The line of the program that made it; known only while a profile is taken. */
  readonly site?: Site | undefined;
}

/** A region of tracing: the program, a function being traced, or a body of control flow inside one. */
export interface Scope {
  readonly parent: Scope | null;
}

const topScope: Scope = { parent: null };
let currentScope: Scope = topScope;
let nodeCount = 0;

/**
 * An n-dimensional array: either concrete (it holds data) or symbolic (it stands for the output of a graph node, to be
 * computed by `compile` or `evaluate`). Tensors never change.
 */
export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly node: Node<never>;
  /** Which of the node's outputs this is. */
  readonly index: number;

  constructor(type: TensorType, node: Node<never>, index: number) {
    this.shape = type.shape;
    this.dtype = type.dtype;
    this.node = node;
    this.index = index;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** The elements in row-major order. Throws if the tensor is symbolic or on a device. Treat it as read-only. */
  get data(): HostArray {
    const data = constantData(this);
    if (data) return data;
    if (residentData(this))
      throw new Error(
        `data: the values of this ${this.dtype}${showShape(this.shape)} tensor are on the device; get them with await evaluate(x)`,
      );
    throw new Error(
      `data: this ${this.dtype}${showShape(this.shape)} tensor is symbolic (made by "${this.node.rules.name}") and has no values yet; get them with await evaluate(x), or return it from a compiled function`,
    );
  }

  /** `Tensor(float32[2, 3])`, for logs. */
  toString(): string {
    return `Tensor(${this.dtype}${showShape(this.shape)})`;
  }
}

/** Applies a primitive's rules to inputs: checks them, and adds a node to the graph. */
export function applyPrimitive<P>(
  rules: PrimitiveRules<P>,
  inputs: readonly Tensor[],
  params: P,
  bodies: readonly Graph[] = [],
): readonly Tensor[] {
  for (const x of inputs) {
    if (!(x instanceof Tensor)) throw new TypeError(`${rules.name}: expected a tensor, got ${describe(x)}`);
  }
  const outputs: Tensor[] = [];
  const site = currentSite();
  const node: Node<P> = { id: nodeCount++, rules, inputs, params, bodies, outputs, scope: currentScope, site };
  rules.types(inputs, params, bodies).forEach((type, i) => {
    outputs.push(new Tensor(type, node as unknown as Node<never>, i));
  });
  return outputs;
}

/** How a wrong value is named in an error. */
export function describe(value: unknown): string {
  if (value instanceof Tensor) return value.toString();
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object") return `an object with ${Object.keys(value).join(", ") || "no properties"}`;
  return `${typeof value} ${String(value)}`;
}

/** Runs `fn` in a new scope inside the current one. */
export function inNewScope<R>(fn: (scope: Scope) => R): R {
  const outer = currentScope;
  currentScope = { parent: outer };
  try {
    return fn(currentScope);
  } finally {
    currentScope = outer;
  }
}

/** Values of a tensor that stay in the memory of a device. */
export interface Resident {
  /** Copies them to the host. */
  fetch(): Promise<HostArray>;
  /** Frees the memory; the values are gone. */
  release(): void;
}

interface ConstantParams {
  readonly type: TensorType;
  readonly data: HostArray | Resident;
}

export const isResident = (data: HostArray | Resident): data is Resident => !ArrayBuffer.isView(data);

const constantRules: PrimitiveRules<ConstantParams> = {
  name: "constant",
  types: (_, { type }) => [type],
  gradient: null,
  onnx: (graph, _, { params: { type, data } }) => {
    if (isResident(data)) throw new Error("toOnnx: a tensor is on the device; get its values with await evaluate(x)");
    return [graph.constant(type, data)];
  },
};

/** Wraps host memory as a concrete tensor without copying it. */
export function fromData(type: TensorType, data: HostArray): Tensor {
  checkShape("tensor", type.shape);
  if (!storesIn(type.dtype, data)) {
    throw new TypeError(`tensor: ${type.dtype} is stored in another kind of array than ${data.constructor.name}`);
  }
  if (data.length !== sizeOf(type.shape)) {
    throw new RangeError(
      `tensor: shape ${showShape(type.shape)} needs ${sizeOf(type.shape)} values, got ${data.length}`,
    );
  }
  return applyPrimitive(constantRules, [], { type, data })[0] as Tensor;
}

/** Wraps values that a device holds as a concrete tensor. */
export const fromResident = ({ shape, dtype }: TensorType, data: Resident): Tensor =>
  applyPrimitive(constantRules, [], { type: { shape, dtype }, data })[0] as Tensor;

const valuesOf = (x: Tensor): HostArray | Resident | null =>
  (x.node.rules as unknown) === constantRules ? (x.node.params as unknown as ConstantParams).data : null;

/** The data of a concrete tensor on the host, or null for one that is symbolic or on a device. */
export function constantData(x: Tensor): HostArray | null {
  const data = valuesOf(x);
  return data === null || isResident(data) ? null : data;
}

/** The values of a tensor that is on a device, or null for any other. */
export function residentData(x: Tensor): Resident | null {
  const data = valuesOf(x);
  return data !== null && isResident(data) ? data : null;
}

/** A scalar constant of the given element type. */
export function scalar(value: number | boolean, dtype: DType): Tensor {
  const data = allocate(dtype, 1);
  const number = Number(value);
  if (!isFloat(dtype) && dtype !== "bool" && !Number.isInteger(number)) {
    throw new TypeError(`the number ${number} does not fit a ${dtype} tensor; cast the tensor to float32 first`);
  }
  setElement(dtype, data, 0, number);
  return fromData({ shape: [], dtype }, data);
}

/** The value of a tensor that is one known number everywhere (a scalar constant, also broadcast), else null. */
export function scalarValue(x: Tensor): number | null {
  if (x.node.rules.name === "broadcastTo") return scalarValue(x.node.inputs[0] as Tensor);
  const data = constantData(x);
  return data && data.length === 1 ? getElement(x.dtype, data, 0) : null;
}

const inputRules: PrimitiveRules<{ readonly type: TensorType; readonly name: string }> = {
  name: "input",
  types: (_, { type }) => [type],
  gradient: null,
  onnx: (_, __, { params }) => {
    throw new Error(`the traced input "${params.name}" was used outside the function it belongs to`);
  },
};

/** A tensor whose value is given when the graph runs. */
export const placeholder = (type: TensorType, name: string): Tensor =>
  applyPrimitive(inputRules, [], { type: { shape: type.shape, dtype: type.dtype }, name })[0] as Tensor;

/** True for tensors made by `placeholder`. */
export const isPlaceholder = (x: Tensor): boolean => (x.node.rules as unknown) === inputRules;
