/** Functions that the CPU runtime lacks in float64, composed of ones that it has. */
import type { OnnxBuilder } from "./builder.ts";

type Lowering = (graph: OnnxBuilder, x: string) => string;

const number = (graph: OnnxBuilder, value: number): string => graph.scalar(value, "float64");

/** `c0 + q·(c1 + q·(c2 + …))`. */
function polynomial(graph: OnnxBuilder, q: string, coefficients: readonly number[]): string {
  return coefficients
    .slice(0, -1)
    .reduceRight(
      (sum, c) => graph.node("Add", [graph.node("Mul", [sum, q]), number(graph, c)]),
      number(graph, coefficients[coefficients.length - 1] as number),
    );
}

const square = (graph: OnnxBuilder, x: string): string => graph.node("Mul", [x, x]);
const oneMinusSquare: Lowering = (graph, x) => graph.node("Sub", [number(graph, 1), square(graph, x)]);
const squarePlus = (graph: OnnxBuilder, x: string, c: number): string =>
  graph.node("Add", [square(graph, x), number(graph, c)]);

/** `log(x + √(x² + c))`, for asinh (c = 1, on |x|) and acosh (c = -1). */
const logOfSum = (graph: OnnxBuilder, x: string, c: number): string =>
  graph.node("Log", [graph.node("Add", [x, graph.node("Sqrt", [squarePlus(graph, x, c)])])]);

/** Halving the angle three times brings any argument under 0.2, where twelve terms of the series suffice. */
const atan: Lowering = (graph, x) => {
  let y = x;
  for (let i = 0; i < 3; i++) {
    // Written so that an infinite argument gives ±1 and not NaN.
    const size = graph.node("Abs", [y]);
    const inverse = graph.node("Div", [number(graph, 1), size]);
    const large = graph.node("Div", [
      graph.node("Sign", [y]),
      graph.node("Add", [inverse, graph.node("Sqrt", [squarePlus(graph, inverse, 1)])]),
    ]);
    const small = graph.node("Div", [
      y,
      graph.node("Add", [number(graph, 1), graph.node("Sqrt", [squarePlus(graph, y, 1)])]),
    ]);
    y = graph.node("Where", [graph.node("Greater", [size, number(graph, 1)]), large, small]);
  }
  const series = polynomial(
    graph,
    square(graph, y),
    Array.from({ length: 13 }, (_, n) => (8 * (-1) ** n) / (2 * n + 1)),
  );
  return graph.node("Mul", [y, series]);
};

const asin: Lowering = (graph, x) =>
  atan(graph, graph.node("Div", [x, graph.node("Sqrt", [oneMinusSquare(graph, x)])]));

/** `2/√π e^(-x²) x Σ (2x²)^n / (2n+1)!!` on |x| < 6, beyond which it is ±1 in float64; no term cancels another. */
const erf: Lowering = (graph, x) => {
  const limited = graph.node("Min", [graph.node("Max", [x, number(graph, -6)]), number(graph, 6)]);
  const q = square(graph, limited);
  // 1 + 2q/3·(1 + 2q/5·(1 + …)): with factors near 1, since the runtime's optimizer merges float64 constants below
  // about 1e-20 with others.
  let series = number(graph, 1);
  for (let n = 140; n > 0; n--) {
    const factor = graph.node("Mul", [q, number(graph, 2 / (2 * n + 1))]);
    series = graph.node("Add", [graph.node("Mul", [series, factor]), number(graph, 1)]);
  }
  const scale = graph.node("Mul", [graph.node("Exp", [graph.node("Neg", [q])]), number(graph, 2 / Math.sqrt(Math.PI))]);
  return graph.node("Mul", [graph.node("Mul", [limited, scale]), series]);
};

const hyperbolic =
  (operation: "Add" | "Sub"): Lowering =>
  (graph, x) =>
    graph.node("Mul", [
      graph.node(operation, [graph.node("Exp", [x]), graph.node("Exp", [graph.node("Neg", [x])])]),
      number(graph, 0.5),
    ]);

/** `x/2 · (1 + t)`, both forms of GELU. */
const halfTimesOnePlus = (graph: OnnxBuilder, x: string, t: string): string =>
  graph.node("Mul", [graph.node("Mul", [x, number(graph, 0.5)]), graph.node("Add", [t, number(graph, 1)])]);

/** Lowerings by name of primitive; a primitive that is not here has a float64 kernel. */
export const float64Lowering: Readonly<Record<string, Lowering>> = {
  tan: (graph, x) => graph.node("Div", [graph.node("Sin", [x]), graph.node("Cos", [x])]),
  asin,
  acos: (graph, x) => graph.node("Sub", [number(graph, Math.PI / 2), asin(graph, x)]),
  atan,
  sinh: hyperbolic("Sub"),
  cosh: hyperbolic("Add"),
  asinh: (graph, x) => graph.node("Mul", [graph.node("Sign", [x]), logOfSum(graph, graph.node("Abs", [x]), 1)]),
  acosh: (graph, x) => logOfSum(graph, x, -1),
  atanh: (graph, x) =>
    graph.node("Mul", [
      graph.node("Log", [
        graph.node("Div", [graph.node("Add", [number(graph, 1), x]), graph.node("Sub", [number(graph, 1), x])]),
      ]),
      number(graph, 0.5),
    ]),
  // The runtime would join x·Sigmoid(x) into an operation that has no float64 kernel.
  sigmoid: (graph, x) =>
    graph.node("Div", [
      number(graph, 1),
      graph.node("Add", [number(graph, 1), graph.node("Exp", [graph.node("Neg", [x])])]),
    ]),
  softplus: (graph, x) =>
    graph.node("Add", [
      graph.node("Relu", [x]),
      graph.node("Log", [
        graph.node("Add", [number(graph, 1), graph.node("Exp", [graph.node("Neg", [graph.node("Abs", [x])])])]),
      ]),
    ]),
  erf,
  gelu: (graph, x) => halfTimesOnePlus(graph, x, erf(graph, graph.node("Mul", [x, number(graph, Math.SQRT1_2)]))),
  geluTanh: (graph, x) => {
    const cubic = graph.node("Add", [
      x,
      graph.node("Mul", [graph.node("Mul", [x, square(graph, x)]), number(graph, 0.044715)]),
    ]);
    return halfTimesOnePlus(
      graph,
      x,
      graph.node("Tanh", [graph.node("Mul", [cubic, number(graph, Math.sqrt(2 / Math.PI))])]),
    );
  },
};
