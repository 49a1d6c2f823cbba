/** Small classifiers of images in a few architectures that share their options, to compare many of them. */
import { averagePool, fold, type Key, relu, reshape, type Tensor, type Tree } from "../array/index.ts";
import {
  convolution,
  drop,
  heNormal,
  type Layer,
  type LinearParams,
  layerNorm,
  linear,
  type Mode,
  modeOf,
  residual,
  sequential,
} from "../nn/index.ts";

/** How images become features. */
export const classifierKinds = ["mlp", "normed mlp", "residual mlp", "convolutional"] as const;
export type ClassifierKind = (typeof classifierKinds)[number];

export interface ImageClassifierOptions {
  readonly kind: ClassifierKind;
  /** Extent of the square images, of one channel. */
  readonly image: number;
  readonly classes: number;
  /** Extent of the hidden layers. The two convolutions of a convolutional network have a 16th and an 8th of it as channels. */
  readonly width: number;
  /** Hidden layers, at least 2; in a convolutional network at least 3, its two convolutions counted. */
  readonly depth: number;
  /** Share of the last features that is dropped in training; 0 by default. */
  readonly dropout?: number;
}

/** Representations of images on their way to the classes. */
export interface Representations {
  /** Features of the first hidden layer: `[batch, extent]`; of a convolution its means over squares of 2 × 2 places. */
  readonly first: Tensor;
  /** Features that the classes are read from: `[batch, width]`. */
  readonly last: Tensor;
}

export type ClassifierParams = { readonly hidden: readonly Tree[]; readonly head: LinearParams };

/** A classifier: images `[batch, image·image]` give logits `[batch, classes]`. */
export interface ImageClassifier extends Layer<ClassifierParams> {
  /** What the images become after the first and after the last hidden layer, in inference. */
  representations(params: ClassifierParams, x: Tensor): Representations;
  /** Logits of the last features. */
  classify(params: ClassifierParams, features: Tensor): Tensor;
}

/**
 * A classifier with ReLU after each hidden layer. `mlp`: hidden layers in a row; `normed mlp`: with layer normalization
 * before each ReLU; `residual mlp`: hidden layers from the second on read their input normalized and are added to it;
 * `convolutional`: convolutions of 5 and 3 pixels, both with stride 2, then hidden layers. Throws one sentence for fewer
 * hidden layers than the kind has.
 */
export function imageClassifier(options: ImageClassifierOptions): ImageClassifier {
  const { kind, width, depth, classes, dropout = 0 } = options;
  const least = kind === "convolutional" ? 3 : 2;
  if (!Number.isInteger(depth) || depth < least)
    throw new RangeError(`imageClassifier: depth of ${kind} must be a whole number of at least ${least}, got ${depth}`);
  const layers = hiddenLayers(options);
  const head = linear({ inputs: width, outputs: classes });
  const hidden = (params: ClassifierParams, x: Tensor): readonly Tensor[] => {
    const seen: Tensor[] = [];
    layers.forEach((layer, i) => {
      seen.push(layer.apply(params.hidden[i] as Tree, seen.at(-1) ?? x));
    });
    return seen;
  };
  return {
    init: (key: Key) => ({
      hidden: layers.map((layer, i) => layer.init(fold(fold(key, "hidden"), i))),
      head: head.init(fold(key, "head")),
    }),
    apply: (params, x, mode?: Mode) =>
      head.apply(params.head, drop(hidden(params, x).at(-1) as Tensor, dropout, modeOf(mode, "drop"))),
    representations: (params, x) => {
      const seen = hidden(params, x);
      const first = seen[0] as Tensor;
      return {
        first: first.rank === 4 ? flat(averagePool(first, { window: 2 })) : first,
        last: seen.at(-1) as Tensor,
      };
    },
    classify: (params, features) => head.apply(params.head, features),
  };
}

/** Rows of all but the first axis. */
const flat = (x: Tensor): Tensor => reshape(x, [x.shape[0] as number, -1]);

/** The hidden layers of each kind, each with its ReLU. */
function hiddenLayers({ kind, image, width, depth }: ImageClassifierOptions): readonly Layer<Tree>[] {
  const dense = (inputs: number) => linear({ inputs, outputs: width, init: heNormal });
  const norm = layerNorm({ width });
  const repeated = (count: number, layer: Layer<Tree>) => Array.from({ length: count }, () => layer);
  const first = sequential(dense(image * image), relu);
  switch (kind) {
    case "mlp":
      return [first, ...repeated(depth - 1, sequential(dense(width), relu))];
    case "normed mlp":
      return [
        sequential(dense(image * image), norm, relu),
        ...repeated(depth - 1, sequential(dense(width), norm, relu)),
      ];
    case "residual mlp":
      return [first, ...repeated(depth - 1, residual(sequential(norm, dense(width), relu)))];
    case "convolutional": {
      const [few, more] = [Math.ceil(width / 16), Math.ceil(width / 8)];
      const half = Math.ceil(image / 2);
      const quarter = Math.ceil(half / 2);
      const at = { stride: 2, init: heNormal } as const;
      const read = convolution({ inputs: 1, outputs: few, kernel: [5, 5], padding: 2, ...at });
      const deepen = convolution({ inputs: few, outputs: more, kernel: [3, 3], padding: 1, ...at });
      const inputs = more * quarter * quarter;
      return [
        sequential((x: Tensor) => reshape(x, [-1, 1, image, image]), read, relu),
        sequential(deepen, relu),
        sequential(flat, dense(inputs), relu),
        ...repeated(depth - 3, sequential(dense(width), relu)),
      ];
    }
  }
}
