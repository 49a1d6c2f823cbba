/** How primitives are declared. A declaration holds everything about an operation: types, gradient, ONNX lowering. */
import type { OnnxBuilder } from "./onnx/builder.ts";
import { applyPrimitive, type Graph, type Node, type PrimitiveRules, type Tensor, type TensorType } from "./tensor.ts";

/** The declaration of a primitive with one output. `In` is the tuple of its tensor operands. */
export interface Rules<In extends readonly Tensor[], P> {
  /** Type of the output; throws one sentence if the operands do not fit. */
  shape(inputs: { readonly [K in keyof In]: TensorType }, params: P): TensorType;
  /** Gradients of the operands; null in a place means that none flows there. A null rule: not differentiable. */
  gradient:
    | ((
        dy: Tensor,
        at: { readonly inputs: In; readonly output: Tensor; readonly params: P; readonly needs: readonly boolean[] },
      ) => { readonly [K in keyof In]: Tensor | null })
    | null;
  /** Emits ONNX nodes and gives the name of the output. */
  onnx(graph: OnnxBuilder, inputs: { readonly [K in keyof In]: string }, params: P, node: Node<P>): string;
  /** Floating-point operations, for products of tensors only: a multiplication and an addition count as two. */
  operations?(types: { readonly [K in keyof In]: TensorType }, output: TensorType, params: P): number;
  /** Elements that are read of each operand, if not all; `view` if none is, as the runtime only looks at them otherwise. */
  reads?(types: { readonly [K in keyof In]: TensorType }, output: TensorType, params: P): readonly number[] | "view";
  /** Operands whose known values are to be stored in the model, however large they are, instead of being fed; none by default. */
  stores?(operands: In, params: P): readonly number[];
  /** Value for scalar operands, used to fold constants. */
  scalar?(...operands: number[]): number;
}

/** A declared primitive: call it with its operands and, last, its static parameters. */
export type Primitive<In extends readonly Tensor[], P> = (...args: [...In, P]) => Tensor;

/** Every declared primitive's name, in order of declaration; a test demands an oracle row for each. */
export const primitiveNames = new Set<string>();

/** Declares a primitive with one output. */
export function primitive<In extends readonly Tensor[], P>(name: string, rules: Rules<In, P>): Primitive<In, P> {
  type Types = { readonly [K in keyof In]: TensorType };
  const general: PrimitiveRules<P> = {
    name,
    types: (inputs, params) => [rules.shape(inputs as unknown as Types, params)],
    gradient: rules.gradient
      ? ([dy], { inputs, outputs, params, needs }) =>
          dy && rules.gradient
            ? (rules.gradient(dy, {
                inputs: inputs as unknown as In,
                output: outputs[0] as Tensor,
                params,
                needs,
              }) as readonly (Tensor | null)[])
            : inputs.map(() => null)
      : null,
    onnx: (graph, inputs, node) => [
      rules.onnx(graph, inputs as unknown as { readonly [K in keyof In]: string }, node.params, node),
    ],
    operations: rules.operations
      ? ({ inputs, outputs, params }) =>
          rules.operations?.(inputs as unknown as Types, outputs[0] as Tensor, params) as number
      : undefined,
    reads: rules.reads
      ? ({ inputs, outputs, params }) =>
          rules.reads?.(inputs as unknown as Types, outputs[0] as Tensor, params) as readonly number[] | "view"
      : undefined,
    stores: rules.stores ? ({ inputs, params }) => rules.stores?.(inputs as unknown as In, params) ?? [] : undefined,
    scalar: rules.scalar,
  };
  const apply = multiPrimitive(general);
  return (...args) => apply(args.slice(0, -1) as unknown as Tensor[], args[args.length - 1] as P)[0] as Tensor;
}

/** Declares a primitive with any number of outputs and, for control flow, bodies. */
export function multiPrimitive<P>(
  rules: PrimitiveRules<P>,
): (inputs: readonly Tensor[], params: P, bodies?: readonly Graph[]) => readonly Tensor[] {
  if (primitiveNames.has(rules.name)) throw new Error(`primitive "${rules.name}" is declared twice`);
  primitiveNames.add(rules.name);
  return (inputs, params, bodies = []) => applyPrimitive(rules, inputs, params, bodies);
}
