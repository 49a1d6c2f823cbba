/** Collects the nodes of an ONNX graph. Primitives emit themselves through it; bodies become subgraphs. */
import type { DType, HostArray } from "../dtype.ts";
import { allocate, elementsText, setElement } from "../dtype.ts";
import { nodesOf } from "../graph.ts";
import type { Shape } from "../shape.ts";
import type { Graph, Node, Tensor, TensorType } from "../tensor.ts";
import {
  type Attribute,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxType,
  type OnnxValue,
  onnxType,
} from "./proto.ts";

/** Numbers become int attributes; `graph.float(x)` makes a float one. */
type AttributeValue = number | string | readonly number[] | Attribute;

/** What all graphs of one model share: names and constants, which live in the outermost graph. */
interface Model {
  names: number;
  readonly initializers: OnnxInitializer[];
  readonly known: Map<string, string>;
  /** Names of results that were renamed to be outputs. */
  readonly renamed: Map<string, string>;
  /** The traced node that each operator computes a part of, by the name of the operator's first output. */
  readonly origins: Map<string, Node<never>>;
  readonly target: Target;
  /** Operators that no device but the CPU computes, and operators that need float16, by their first outputs. */
  readonly onHost: Set<string>;
  readonly halves: Set<string>;
}

/** What is known of the runtime that a model is made for. */
export interface Target {
  /** Channels in a block of its blocked convolutions (see `blockedConvolution`); 0 if it has none. */
  readonly channelBlock: number;
  /** Loops of a known length are written out where they are short enough. */
  readonly unrolled: boolean;
  /** It has, for float32, the operators beside the standard ones that ONNX Runtime computes on processors: `com.microsoft.…`. */
  readonly fused: boolean;
}

const newModel = (target: Partial<Target>): Model => ({
  names: 0,
  initializers: [],
  known: new Map(),
  renamed: new Map(),
  origins: new Map(),
  target: { channelBlock: 0, unrolled: false, fused: false, ...target },
  onHost: new Set(),
  halves: new Set(),
});

export class OnnxBuilder {
  readonly #model: Model;
  readonly #nodes: OnnxNode[] = [];
  /** Results of this graph's own nodes that are no outputs yet. */
  readonly #results = new Set<string>();
  #used = new Set<Tensor>();

  /** A new model, for any runtime unless something is known of one. */
  constructor(target: Partial<Target> = {}, model: Model = newModel(target)) {
    this.#model = model;
  }

  /** The runtime that the model is made for. */
  get target(): Target {
    return this.#model.target;
  }

  /** Initializers of the whole model. */
  get initializers(): readonly OnnxInitializer[] {
    return this.#model.initializers;
  }

  /** The traced nodes that the operators of the finished model come from, by the operators' names. */
  origins(): ReadonlyMap<string, Node<never>> {
    const { origins, renamed } = this.#model;
    return new Map([...origins].map(([name, node]) => [renamed.get(name) ?? name, node]));
  }

  /** Has the CPU compute the operator whose first output this is, on any device: those without it, or with a wrong one. */
  keepOnHost(name: string): void {
    this.#model.onHost.add(name);
  }

  /** Operators of the finished model that the CPU has to compute on any device, and those that need float16, by name. */
  hostNodes(): { readonly onHost: readonly string[]; readonly halves: readonly string[] } {
    const { onHost, halves, renamed } = this.#model;
    const final = (names: ReadonlySet<string>) => [...names].map((name) => renamed.get(name) ?? name);
    return { onHost: final(onHost), halves: final(halves) };
  }

  #fresh(prefix: string): string {
    return `${prefix}_${this.#model.names++}`;
  }

  /** Adds a node with one output and gives the output's name. An operator outside the standard has its domain in front. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    return this.nodes(op, inputs, 1, attributes)[0] as string;
  }

  /** Adds a node with several outputs and gives their names. */
  nodes(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string[] {
    const dot = op.lastIndexOf(".");
    const [domain, name] = [op.slice(0, Math.max(0, dot)), op.slice(dot + 1)];
    const names = Array.from({ length: outputs }, () => this.#fresh(name));
    const list = Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)] as const);
    this.#nodes.push({ op: name, domain, inputs, outputs: names, attributes: list });
    for (const name of names) this.#results.add(name);
    return names;
  }

  /** A float attribute. */
  float(value: number): Attribute {
    return { kind: "float", value };
  }

  /** A constant tensor; equal small ones are stored once, and so are those of one `key`, which must say all about them. */
  constant(
    { shape, dtype }: { readonly shape: Shape; readonly dtype: OnnxType },
    data: HostArray | Uint32Array,
    key = data.length <= 64 ? `${dtype}[${shape}]${elementsText(data)}` : undefined,
  ): string {
    const known = key === undefined ? undefined : this.#model.known.get(key);
    if (known) return known;
    const name = this.#fresh("constant");
    this.#model.initializers.push({ name, dtype, shape, data });
    if (key !== undefined) this.#model.known.set(key, name);
    return name;
  }

  /** A constant of one element: a scalar, or with so many axes of extent 1. */
  scalar(value: number, dtype: DType, rank = 0): string {
    const data = allocate(dtype, 1);
    setElement(dtype, data, 0, value);
    return this.constant({ shape: Array<number>(rank).fill(1), dtype }, data);
  }

  /** A list of int64, as operators take shapes, axes and amounts. */
  int64s(values: readonly number[]): string {
    return this.constant({ shape: [values.length], dtype: "int64" }, BigInt64Array.from(values, BigInt));
  }

  /** A uint32 scalar, for shifts of bits. */
  uint32(value: number): string {
    return this.constant({ shape: [], dtype: "uint32" }, Uint32Array.of(value));
  }

  /** `x` converted to another element type. */
  cast(x: string, dtype: OnnxType): string {
    return this.node("Cast", [x], { to: onnxType[dtype] });
  }

  /** A nested graph in which names of this one can be used. */
  subgraph(
    name: string,
    build: (inner: OnnxBuilder) => { inputs: readonly OnnxValue[]; outputs: readonly OnnxValue[] },
  ): Attribute {
    const inner = new OnnxBuilder(this.#model.target, this.#model);
    const { inputs, outputs } = build(inner);
    return {
      kind: "graph",
      value: { name: this.#fresh(name), nodes: inner.#nodes, initializers: [], inputs, outputs },
    };
  }

  /** Names an input of this graph. */
  input(type: { readonly shape: Shape; readonly dtype: OnnxType }, prefix = "x"): OnnxValue {
    return { name: this.#fresh(prefix), dtype: type.dtype, shape: type.shape };
  }

  /**
   * Declares a tensor to be an output. A result of this graph is renamed; what the graph only passes on, or gives
   * twice, is copied to a name of its own, as the format demands.
   */
  output(x: string, { shape, dtype }: TensorType, name = this.#fresh("y")): OnnxValue {
    if (this.#results.delete(x)) this.#model.renamed.set(x, name);
    else this.#nodes.push({ op: "Identity", domain: "", inputs: [x], outputs: [name], attributes: [] });
    return { name, dtype, shape };
  }

  /** Emits a traced graph with the given names for its inputs; gives the names of its outputs. */
  emit(graph: Graph, inputs: readonly string[]): string[] {
    const names = new Map<Tensor, string>();
    graph.inputs.forEach((x, i) => {
      names.set(x, inputs[i] as string);
    });
    const nodes = nodesOf(graph.outputs);
    const outer = this.#used;
    this.#used = new Set([...graph.outputs, ...nodes.flatMap((node) => node.inputs)]);
    for (const node of nodes) {
      // Placeholders are inputs, and so are constants that are fed instead of being stored.
      if (node.outputs.every((y) => names.has(y))) continue;
      const before = this.#nodes.length;
      const outputs = node.rules.onnx(
        this,
        node.inputs.map((x) => names.get(x) as string),
        node,
      );
      node.outputs.forEach((y, i) => {
        if (outputs[i] !== undefined) names.set(y, outputs[i]);
      });
      const tensors = [...node.inputs, ...node.outputs];
      const isHalf = tensors.some(({ dtype }) => dtype === "float16");
      // WebGPU refuses some operators on tensors of nothing; those of float64 are on the CPU anyway.
      const isEmpty = tensors.some(({ size }) => size === 0) && tensors.every(({ dtype }) => dtype !== "float64");
      for (const { outputs } of this.#nodes.slice(before)) {
        const name = outputs[0] as string;
        this.#model.origins.set(name, node);
        if (isEmpty) this.#model.onHost.add(name);
        else if (isHalf) this.#model.halves.add(name);
      }
    }
    this.#used = outer;
    return graph.outputs.map((x) => names.get(x) as string);
  }

  /** Whether anything reads this tensor; outputs of loops that nobody reads are not kept. */
  isUsed(x: Tensor): boolean {
    return this.#used.has(x);
  }

  /** The finished graph. */
  finish(name: string, inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]): OnnxGraph {
    return {
      name,
      nodes: this.#nodes.map((node) => rename(node, this.#model.renamed)),
      initializers: this.#model.initializers,
      inputs,
      outputs,
    };
  }
}

/** A node with the final names of its inputs and outputs, in its subgraphs too. */
function rename(node: OnnxNode, names: ReadonlyMap<string, string>): OnnxNode {
  const finalName = (name: string) => names.get(name) ?? name;
  return {
    ...node,
    inputs: node.inputs.map(finalName),
    outputs: node.outputs.map(finalName),
    attributes: node.attributes.map(([name, attribute]) =>
      attribute.kind === "graph"
        ? [
            name,
            {
              kind: "graph",
              value: { ...attribute.value, nodes: attribute.value.nodes.map((inner) => rename(inner, names)) },
            },
          ]
        : [name, attribute],
    ),
  };
}

function toAttribute(value: AttributeValue): Attribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  return Array.isArray(value) ? { kind: "ints", value } : (value as Attribute);
}
