/** The sum of the blocks that were chosen for each row, of which no others are read: a layer of experts in one operator. */
import { multiPrimitive } from "./primitive.ts";
import { showShape } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

/** Functions between the two maps of an expert that the operator knows; `swiglu` is gated. */
export const expertActivations = ["relu", "silu", "geluTanh", "identity", "swiglu"] as const;
export type ExpertActivation = (typeof expertActivations)[number];

/** Names of the operator for them. */
const operatorNames = { relu: "relu", silu: "silu", geluTanh: "gelu", identity: "identity", swiglu: "swiglu" } as const;

/** Stands for minus infinity among the scores of experts that were not chosen: their shares become exactly 0. */
const NEVER = -1e30;

interface Extents {
  readonly rows: number;
  readonly count: number;
  readonly experts: number;
  readonly inner: number;
  readonly units: number;
  readonly width: number;
}

/** Extents of the operands; throws one sentence if they do not belong together. */
function extentsOf([x, chosen, up, down, bias]: readonly TensorType[], activation: ExpertActivation): Extents {
  const [rows, width] = (x as TensorType).shape as [number, number];
  const [experts, inner] = (up as TensorType).shape as [number, number];
  const [count, units] = [chosen?.shape[1] as number, down?.shape[2] as number];
  const expect = (name: string, type: TensorType | undefined, dtype: string, shape: readonly number[]): void => {
    if (type?.dtype !== dtype || showShape(type.shape) !== showShape(shape))
      throw new RangeError(
        `expertSum: expected ${name} ${dtype}${showShape(shape)}, got ${type?.dtype}${showShape(type?.shape ?? [])}`,
      );
  };
  expect("x", x, "float32", [rows ?? 0, width ?? 0]);
  expect("chosen", chosen, "int32", [rows, count ?? 0]);
  expect("down", down, "float32", [experts, width, units ?? 0]);
  expect("up", up, "float32", [experts, (activation === "swiglu" ? 2 : 1) * units, width]);
  if (bias) expect("bias", bias, "float32", [experts, inner]);
  if (count < 1 || count > experts)
    throw new RangeError(`expertSum: expected 1 to ${experts} experts for a row, got ${count}`);
  return { rows, count, experts, inner, units, width };
}

const sumOfExperts = multiPrimitive<{ readonly activation: ExpertActivation }>({
  name: "expertSum",
  types: (inputs, { activation }) => {
    const { rows, width } = extentsOf(inputs, activation);
    return [{ shape: [rows, width], dtype: "float32" }];
  },
  gradient: null,
  operations: ({ inputs, params }) => {
    const { rows, count, inner, units, width } = extentsOf(inputs, params.activation);
    return 2 * rows * count * width * (inner + units);
  },
  reads: ({ inputs, params }) => {
    const { rows, count, experts } = extentsOf(inputs, params.activation);
    const share = Math.min(1, (rows * count) / experts);
    return inputs.map(({ size }, i) => (i < 2 ? size : share * size));
  },
  onnx: (graph, [x, chosen, up, down, bias], { inputs, params: { activation } }) => {
    const { rows, count, experts } = extentsOf(inputs, activation);
    const filled = (value: number, extents: readonly number[]) =>
      graph.node("Expand", [graph.scalar(value, "float32"), graph.int64s(extents)]);
    // The operator weighs experts by the softmax of scores: those of equal score 0 get 1/count each, all others 0.
    const scores = graph.node(
      "ScatterElements",
      [filled(NEVER, [rows, experts]), chosen as string, filled(0, [rows, count])],
      { axis: 1 },
    );
    const mean = graph.node("com.microsoft.MoE", [x as string, scores, up as string, bias ?? "", down as string], {
      k: count,
      activation_type: operatorNames[activation],
      normalize_routing_weights: 0,
      ...(activation === "swiglu"
        ? { swiglu_fusion: 1, activation_alpha: graph.float(1), activation_beta: graph.float(0) }
        : {}),
    });
    const y = graph.node("Mul", [mean, graph.scalar(count, "float32")]);
    // Where x is not read again, the runtime (1.30) lets the operator write its result over x while it still reads that,
    // and the result is wrong. A choice that never takes x keeps it.
    return [graph.node("Where", [graph.constant({ shape: [], dtype: "bool" }, Uint8Array.of(0)), x as string, y])];
  },
});

/**
 * `y_r = Σ_{e in chosen_r} D_e·σ(U_e·x_r + b_e)`. `x: float32 [rows, width]`, `chosen: int32 [rows, count]` (no expert
 * twice in a row), `up: [experts, units, width]`, `down: [experts, width, units]`, `bias: [experts, units]` give
 * `[rows, width]`. With `swiglu`, `up: [experts, 2·units, width]` holds the rows of gate and value in turn, and an expert
 * is `D_e·(silu(G_e·x) ⊙ V_e·x)`. Weights of experts that nobody chose are not read, and none are copied.
 *
 * One operator of ONNX Runtime (`MoE` of its domain com.microsoft), natively and in browsers; other runtimes may not have
 * it. It has no gradient: layers that learn use `groupedMatmul`.
 */
export const expertSum = (
  x: Tensor,
  chosen: Tensor,
  { up, down, bias }: { readonly up: Tensor; readonly down: Tensor; readonly bias?: Tensor },
  { activation = "relu" }: { readonly activation?: ExpertActivation } = {},
): Tensor => sumOfExperts([x, chosen, up, down, ...(bias ? [bias] : [])], { activation })[0] as Tensor;
