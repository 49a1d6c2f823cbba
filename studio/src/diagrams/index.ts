/** Which drawing explains which paper. */
import { experts, tree } from "./experts.ts";
import { ffn, memory, promotion, readings, towers } from "./ffn.ts";
import { fourierLayer, locationEncoder, sphericalLayer, transformOnce } from "./operators.ts";
import type { Scene } from "./scene.ts";
import { covarianceSpectrum, dimensionsByLayer, finiteScalars, peeling, powerLaws } from "./signals.ts";
import { causalMixer, lowFrequencies, monarchConvolution, spectralMixer } from "./spectral.ts";
import { lowRank, slicing, split, structuredForms } from "./surgery.ts";

/** A drawing with what it shows, in words. */
export interface Drawing {
  readonly draw: () => Scene;
  readonly caption: string;
}

const block = (label: string, tone: "plain" | "accent" | "second" | "ghost" = "plain", sub = "") => ({
  label,
  tone,
  sub,
});

/** By slug. */
const drawings: Readonly<Record<string, Drawing>> = {
  "fast-feedforward": {
    draw: tree,
    caption:
      "Each node decides by a linear map whether an input goes left or right. Training mixes all leaves by how sure the decisions are; inference computes one path and one small network. A leaf that sees every input is blended in.",
  },
  moefication: {
    draw: () =>
      experts({
        count: 8,
        active: [1, 5],
        router: "router",
        unit: "experts: hidden units that are active together",
        from: "cluster",
      }),
    caption:
      "Hidden units with similar keys are put into groups of equal size. A small router, taught on the layer's own activations, says which groups a token needs; only those are computed. No weight changes.",
  },
  "factor-llm": {
    draw: () =>
      experts({
        count: 4,
        active: [0, 2],
        router: "linear router",
        unit: "slices of the layer, as they stand",
        from: "cut",
      }),
    caption:
      "The layer is cut into slices as they stand. A linear router is taught to choose those whose output alone comes nearest to that of the whole layer.",
  },
  ffsplit: {
    draw: split,
    caption: "The units that give most for almost every token stay whole; the maps of the others are compressed hard.",
  },
  "representation-dimension": {
    draw: slicing,
    caption:
      "At each place that reads the stream it is turned into the basis of its principal components; directions that carry least are cut, and every matrix on the stream shrinks.",
  },
  "ffn-fusion": {
    draw: () =>
      towers(
        [
          {
            title: "a trained model",
            blocks: [
              block("attention"),
              block("ffn 1"),
              block("attention", "ghost", "dropped"),
              block("ffn 2"),
              block("attention", "ghost", "dropped"),
              block("ffn 3"),
            ],
          },
          {
            title: "fused",
            blocks: [
              block("attention"),
              { label: "ffn 1 ‖ ffn 2 ‖ ffn 3", tone: "accent", sub: "one wider layer, the same weights", tall: 2 },
            ],
            wide: 240,
          },
        ],
        "fuse",
      ),
    caption:
      "Where attention was dropped, feed-forward layers follow each other. A run of them reads the same vectors instead, and the sum of what they add is one wider layer.",
  },
  "ffn-neurons": {
    draw: () =>
      memory({
        act: "ReLU",
        reads: ["on or off:", "dead, token, n-gram, position"],
        note: "each unit is looked at only through whether it is active",
      }),
    caption:
      "Every hidden unit has a key that it scores the stream against and a value that it adds. Whether a ReLU unit is on tells what it detects: nothing at all, a token, an n-gram, or a range of positions.",
  },
  "ffn-vocabulary-concepts": {
    draw: promotion,
    caption:
      "What a layer adds is a sum of value vectors. Read through the output embedding, each promotes some tokens, often a set that people recognize as a concept; switching some on by hand steers the model.",
  },
  "relu-former": {
    draw: readings,
    caption:
      "Feed-forward layers and attention both score keys, make weights of the scores, and add values up. What a softmax reads fades as slots are added; what ReLU reads grows, and a factor keeps its variance.",
  },
  "fnet-ar": {
    draw: causalMixer,
    caption:
      "A Fourier transform mixes all positions. Made causal, each position is mixed from earlier ones only: by a mask over the transform, or by a transform of the last few positions.",
  },
  "fft-net": {
    draw: () => spectralMixer({ filter: "filter + modReLU", from: "mean of the sequence" }),
    caption:
      "Positions are mixed by a filter on their spectrum. Each frequency is multiplied by a number that depends on the mean of the sequence, passes a function of its magnitude, and is transformed back.",
  },
  "flash-fft-conv": {
    draw: monarchConvolution,
    caption:
      "The transform of a long sequence is done as products with small matrices: the sequence is folded into a matrix, its columns are transformed, then its rows. A kernel that is short in time or frequency lets parts be left out.",
  },
  "macaron-net": {
    draw: () =>
      towers(
        [
          { title: "Transformer", blocks: [block("attention"), block("ffn")] },
          { title: "Macaron", blocks: [block("½ ffn", "accent"), block("attention"), block("½ ffn", "accent")] },
        ],
        "halve",
      ),
    caption:
      "Taken for a scheme that solves an equation of moving particles, a block is a splitting step. A better splitting takes half of a feed-forward step before attention and half after it.",
  },
  "three-layer-ffn": {
    draw: () =>
      ffn({
        maps: [
          { to: 3, label: "W₁", tone: "accent" },
          { to: 3, label: "W₂", tone: "accent", sub: "the third layer" },
          { to: 1, label: "W₃" },
        ],
        acts: ["σ", "σ"],
        widths: ["d", "h", "h", "d"],
      }),
    caption: "One more map between the two of a feed-forward block, in fewer blocks, so that parameters stay the same.",
  },
  "hourglass-ffn": {
    draw: () =>
      ffn({
        input: 3,
        maps: [
          { to: 0.7, label: "down", tone: "accent" },
          { to: 3, label: "up", tone: "accent" },
        ],
        acts: ["σ"],
        widths: ["wide stream", "narrow", "wide stream"],
      }),
    caption:
      "Where a usual block widens and comes back, this one narrows and comes back. It is cheap, so blocks are stacked deeper and the residual stream can be wider.",
  },
  "low-rank-training": {
    draw: lowRank,
    caption:
      "Feed-forward matrices are products of two thin matrices from the start. At equal width they lose a little, but the loss falls more steeply with the operations of training, so that the saving is spent on width.",
  },
  "structured-ffn": {
    draw: structuredForms,
    caption:
      "Dense maps of feed-forward layers become products: of low rank, of two block matrices with a shuffle, or of blocks and a thin matrix. A dense matrix beside them guides the first half of training and fades away.",
  },
  "one-wide-ffn": {
    draw: () =>
      towers(
        [
          {
            title: "one for each layer",
            blocks: [block("attention 1"), block("ffn 1"), block("attention 2"), block("ffn 2")],
          },
          {
            title: "one wide, shared",
            blocks: [
              block("attention 1"),
              block("ffn", "accent", "the same weights"),
              block("attention 2"),
              block("ffn", "accent", "the same weights"),
            ],
            wide: 230,
          },
        ],
        "share",
      ),
    caption:
      "All layers of the encoder share one feed-forward layer, the decoder has none, and what is saved goes into making the one wider.",
  },
  "spectral-scaling": {
    draw: () =>
      covarianceSpectrum({
        reads: [
          ["soft rank\nexp(entropy)", 0.62],
          ["hard rank\nparticipation ratio", 0.28],
        ],
      }),
    caption:
      "The covariance of a layer's hidden activations has a few large eigenvalues and a long tail. The exponential of their entropy counts the tail; the participation ratio hardly sees it.",
  },
  "representation-geometry": {
    draw: dimensionsByLayer,
    caption:
      "The effective dimension of features, from the eigenvalues of their covariance and without labels, rises and falls from layer to layer. Its value at the end, and how much it shrank on the way, go with accuracy over many networks.",
  },
  "transform-once": {
    draw: transformOnce,
    caption:
      "A field is transformed once, by a cosine transform with real values. All layers work on its lowest frequencies, and the result is held against the transformed target.",
  },
  "local-neural-operators": {
    draw: () =>
      fourierLayer({
        branches: [
          { label: "differential kernel", sub: "becomes a derivative as the grid is refined", tone: "accent" },
          { label: "integral kernel on a small disc", sub: "a function of distance, not of pixels", tone: "accent" },
          { label: "W", sub: "pointwise" },
        ],
      }),
    caption: "Two kinds of small kernels stand beside the global ones of a Fourier layer; both serve any grid.",
  },
  "spherical-fno": {
    draw: sphericalLayer,
    caption:
      "Transforms are spherical harmonic transforms, and weights depend on the degree alone, so that turning the sphere before or after gives the same.",
  },
  "location-encoder": {
    draw: locationEncoder,
    caption:
      "Spherical harmonics are features of the sphere itself, without a cut at the date line or stretched poles; a network of sines reads them.",
  },
  "flat-sky-spectra": {
    draw: powerLaws,
    caption:
      "The power spectrum is expanded in complex power laws by a transform in the logarithm of the wavenumber. For each power the modes along the line of sight sum up in closed form.",
  },
  spright: {
    draw: peeling,
    caption:
      "Small transforms of subsampled signals sum the spectrum into bins. Shifts tell the index of a coefficient that is alone in its bin; it is subtracted everywhere, and others come to be alone.",
  },
  "fft-embedding-reduction": {
    draw: lowFrequencies,
    caption:
      "A vector is taken for a signal along its index; the absolute values of its lowest frequencies are stored.",
  },
  fsq: {
    draw: () => finiteScalars({ levels: [8, 5] }),
    caption:
      "Each of a few channels is squashed to a range and rounded to one of a handful of values. The code is the combination, and the gradient passes the rounding.",
  },
};

/** The drawing of a paper, if there is one. */
export const drawingOf = (slug: string): Drawing | undefined =>
  Object.hasOwn(drawings, slug) ? drawings[slug] : undefined;

/** Papers that have a drawing. */
export const drawn: readonly string[] = Object.keys(drawings);
