/** Losses and scores of predictions. */
import {
  add,
  argMax,
  cast,
  equal,
  exp,
  logSoftmax,
  mean,
  mul,
  neg,
  reshape,
  type Shape,
  softplus,
  square,
  squeeze,
  stopGradient,
  sub,
  sum,
  type Tensor,
  takeAlong,
} from "../array/index.ts";

/** What becomes of the losses of single predictions. */
export type Reduction = "mean" | "sum" | "none";

export interface CrossEntropyOptions {
  /** `mean` by default; `none` gives a loss for each label. */
  readonly reduction?: Reduction;
  /**
   * Share of the target that is spread evenly over all classes, from 0 (the default) to 1.
   * Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
   */
  readonly smoothing?: number;
}

/**
 * Cross-entropy of integer labels: `-log softmax(logits)[label]`, in nats; with smoothing s it is
 * `-(1 - s)·log p[label] - s·mean_c log p[c]`. `logits: [..., classes]`, `labels: [...]` (int32 or int64, from 0 to
 * classes - 1); the mean over all labels, a scalar, by default.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { reduction = "mean", smoothing = 0 }: CrossEntropyOptions = {},
): Tensor {
  checkLabels("crossEntropy", logits, labels);
  if (!(smoothing >= 0 && smoothing <= 1))
    throw new RangeError(`crossEntropy: smoothing must be from 0 to 1, got ${smoothing}`);
  const classes = logits.shape.at(-1) as number;
  // One long list of predictions: the runtime's softmax and gather are fastest on two axes.
  const logp = logSoftmax(reshape(logits, [labels.size, classes]));
  const correct = squeeze(takeAlong(logp, reshape(labels, [labels.size, 1]), { axis: 1 }), 1);
  const chosen = smoothing === 0 ? correct : add(mul(correct, 1 - smoothing), mul(mean(logp, { axis: 1 }), smoothing));
  return reduce("crossEntropy", neg(chosen), labels.shape, reduction);
}

/**
 * Divergence of predictions from those of a teacher, `KL(p‖q) = Σ p·(log p - log q)` with `p = softmax(teacher/T)` and
 * `q = softmax(student/T)`, times T² so that its gradients do not shrink with the temperature T (1 by default). Both
 * `[..., classes]`; the mean over all predictions, a scalar, by default. No gradient flows to the teacher.
 * Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531, section 2.
 */
export function klDivergence(
  teacher: Tensor,
  student: Tensor,
  { temperature = 1, reduction = "mean" }: { readonly temperature?: number; readonly reduction?: Reduction } = {},
): Tensor {
  if (teacher.shape.join() !== student.shape.join() || teacher.rank === 0)
    throw new RangeError(
      `klDivergence: expected logits of one shape [..., classes], got [${teacher.shape.join(", ")}] and [${student.shape.join(", ")}]`,
    );
  if (!(temperature > 0)) throw new RangeError(`klDivergence: temperature must be above 0, got ${temperature}`);
  const classes = teacher.shape.at(-1) as number;
  const logs = (logits: Tensor): Tensor => logSoftmax(reshape(mul(logits, 1 / temperature), [-1, classes]));
  const wanted = logs(stopGradient(teacher));
  const losses = mul(sum(mul(exp(wanted), sub(wanted, logs(student))), { axis: 1 }), temperature ** 2);
  return reduce("klDivergence", losses, teacher.shape.slice(0, -1), reduction);
}

/**
 * Cross-entropy of two classes in nats: `-y·log σ(x) - (1 - y)·log σ(-x)` for logits x and labels y from 0 to 1, both of one
 * shape; the mean over all, a scalar, by default.
 */
export function binaryCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { reduction = "mean" }: { readonly reduction?: Reduction } = {},
): Tensor {
  if (logits.shape.join() !== labels.shape.join())
    throw new RangeError(
      `binaryCrossEntropy: expected logits and labels of one shape, got [${logits.shape.join(", ")}] and [${labels.shape.join(", ")}]`,
    );
  return reduce("binaryCrossEntropy", sub(softplus(logits), mul(logits, labels)), logits.shape, reduction);
}

/** Squared difference, `(x - y)²`, of two tensors of one shape; its mean over all elements, a scalar, by default. */
export function meanSquaredError(
  x: Tensor,
  y: Tensor,
  { reduction = "mean" }: { readonly reduction?: Reduction } = {},
): Tensor {
  if (x.shape.join() !== y.shape.join()) {
    throw new RangeError(
      `meanSquaredError: expected two tensors of one shape, got [${x.shape.join(", ")}] and [${y.shape.join(", ")}]`,
    );
  }
  return reduce("meanSquaredError", square(sub(x, y)), x.shape, reduction);
}

/** Share of labels that have the largest logit: a float32 scalar from 0 to 1. `logits: [..., classes]`, `labels: [...]`. */
export function accuracy(logits: Tensor, labels: Tensor): Tensor {
  checkLabels("accuracy", logits, labels);
  return mean(cast(equal(argMax(logits, { axis: -1 }), cast(labels, "int64")), "float32"));
}

function reduce(operation: string, losses: Tensor, shape: Shape, reduction: Reduction): Tensor {
  if (reduction === "mean") return mean(losses);
  if (reduction === "sum") return sum(losses);
  if (reduction === "none") return reshape(losses, shape);
  throw new RangeError(`${operation}: reduction must be "mean", "sum" or "none", got "${String(reduction)}"`);
}

function checkLabels(operation: string, logits: Tensor, labels: Tensor): void {
  if (labels.dtype !== "int32" && labels.dtype !== "int64") {
    throw new TypeError(`${operation}: expected int32 or int64 labels, got ${labels.dtype}; cast them`);
  }
  if (logits.rank === 0 || logits.shape.slice(0, -1).join() !== labels.shape.join()) {
    throw new RangeError(
      `${operation}: expected labels of the shape of logits without its last axis, got logits [${logits.shape.join(", ")}] and labels [${labels.shape.join(", ")}]`,
    );
  }
}
