/** The part of the ONNX file format (onnx.proto, IR version 10, opset 21) that Fourward writes. */
import { PbfWriter } from "pbf";
import type { DType, HostArray } from "../dtype.ts";
import type { Shape } from "../shape.ts";

/** Element types of ONNX; `uint32` appears inside graphs only. */
export type OnnxType = DType | "uint32";

/** Element type numbers of the ONNX format. */
export const onnxType: Readonly<Record<OnnxType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
};

/** The value of an attribute; the tag is needed because ONNX tells 1 from 1.0. */
export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "graph"; readonly value: OnnxGraph };

export interface OnnxNode {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly (readonly [name: string, value: Attribute])[];
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: OnnxType;
  /** Undefined where the shape is known only at run time. */
  readonly shape?: Shape;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: OnnxType;
  readonly shape: Shape;
  readonly data: HostArray | Uint32Array;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Version of the standard's operator set, from which nodes come unless they name a domain. */
export const OPSET = 21;
/** Version of any other domain. */
const DOMAIN_VERSION = 1;
const IR_VERSION = 10;

/** Encodes a model file. */
export function encodeModel(graph: OnnxGraph, description = ""): Uint8Array {
  const out = new PbfWriter();
  out.writeVarintField(1, IR_VERSION);
  out.writeStringField(2, "fourward");
  if (description) out.writeStringField(6, description);
  out.writeMessage(7, writeGraph, graph);
  out.writeMessage(8, (_, o) => o.writeVarintField(2, OPSET), null);
  for (const domain of domainsOf(graph)) out.writeMessage(8, writeDomain, domain);
  return out.finish();
}

/** Domains beside the standard's that nodes of a graph, or of graphs in it, come from. */
function domainsOf({ nodes }: OnnxGraph): ReadonlySet<string> {
  return new Set(
    nodes.flatMap(({ domain, attributes }) => [
      ...(domain ? [domain] : []),
      ...attributes.flatMap(([, attribute]) => (attribute.kind === "graph" ? [...domainsOf(attribute.value)] : [])),
    ]),
  );
}

function writeDomain(domain: string, out: PbfWriter): void {
  out.writeStringField(1, domain);
  out.writeVarintField(2, DOMAIN_VERSION);
}

function writeGraph(graph: OnnxGraph, out: PbfWriter): void {
  for (const node of graph.nodes) out.writeMessage(1, writeNode, node);
  out.writeStringField(2, graph.name);
  for (const tensor of graph.initializers) out.writeMessage(5, writeTensor, tensor);
  for (const value of graph.inputs) out.writeMessage(11, writeValue, value);
  for (const value of graph.outputs) out.writeMessage(12, writeValue, value);
}

function writeNode(node: OnnxNode, out: PbfWriter): void {
  for (const name of node.inputs) out.writeStringField(1, name);
  for (const name of node.outputs) out.writeStringField(2, name);
  // Errors of the runtime name the node: its first output says more than a number.
  out.writeStringField(3, node.outputs[0] ?? "");
  out.writeStringField(4, node.op);
  for (const attribute of node.attributes) out.writeMessage(5, writeAttribute, attribute);
  if (node.domain) out.writeStringField(7, node.domain);
}

const attributeType = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

function writeAttribute([name, attribute]: readonly [string, Attribute], out: PbfWriter): void {
  out.writeStringField(1, name);
  switch (attribute.kind) {
    case "float":
      out.writeFloatField(2, attribute.value);
      break;
    case "int":
      out.writeVarintField(3, attribute.value);
      break;
    case "string":
      out.writeStringField(4, attribute.value);
      break;
    case "graph":
      out.writeMessage(6, writeGraph, attribute.value);
      break;
    case "ints":
      for (const value of attribute.value) out.writeVarintField(8, value);
  }
  out.writeVarintField(20, attributeType[attribute.kind]);
}

function writeTensor({ name, dtype, shape, data }: OnnxInitializer, out: PbfWriter): void {
  for (const n of shape) out.writeVarintField(1, n);
  out.writeVarintField(2, onnxType[dtype]);
  out.writeStringField(8, name);
  out.writeBytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValue({ name, dtype, shape }: OnnxValue, out: PbfWriter): void {
  out.writeStringField(1, name);
  out.writeMessage(
    2,
    (_, type) => {
      type.writeMessage(
        1,
        (__, tensor) => {
          tensor.writeVarintField(1, onnxType[dtype]);
          if (shape) {
            tensor.writeMessage(
              2,
              (___, dims) => {
                for (const n of shape) dims.writeMessage(1, (extent, dim) => dim.writeVarintField(1, extent), n);
              },
              null,
            );
          }
        },
        null,
      );
    },
    null,
  );
}
