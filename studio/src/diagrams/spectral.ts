/** Mixing along a sequence by transforms. */
import { arrow, bars, box, cells, curve, type Scene, type Shape, sign, straight, type Tone, text } from "./scene.ts";

const sequence = [0.5, -0.3, 0.8, 0.2, -0.6, 0.4, -0.1, 0.7, -0.5, 0.3, 0.1, -0.4];
const spectrum = [0.95, 0.7, 0.42, 0.55, 0.3, 0.18, 0.24, 0.12, 0.16, 0.08, 0.1, 0.06];

/** Sequence, transform, filter, transform back. */
export function spectralMixer({
  transform = "FFT",
  filter,
  back = "inverse FFT",
  from,
}: {
  readonly transform?: string;
  /** What happens to the frequencies. */
  readonly filter: string;
  readonly back?: string;
  /** What the filter depends on, where it is not learned alone. */
  readonly from?: string;
}): Scene {
  const filtered = spectrum.map((value, i) => value * (i < 2 ? 0.5 : i < 6 ? 1.1 : 0.35));
  const shapes: Shape[] = [
    bars([20, 60], [120, 90], sequence),
    text(80, 170, "sequence"),
    straight(105, 146, 166),
    box(168, 82, 78, 46, transform, "plain"),
    straight(105, 248, 264),
    bars([268, 60], [110, 90], spectrum),
    text(323, 170, "frequencies"),
    straight(105, 382, 402, "", "accent"),
    sign(416, 105, "×", "accent"),
    straight(105, 429, 448, "", "accent"),
    bars([452, 60], [110, 90], filtered, "accent"),
    text(507, 170, "filtered", { tone: "accent" }),
    straight(105, 566, 578),
    box(580, 82, 92, 46, back, "plain"),
    straight(105, 674, 708),
    box(346, 188, 140, 34, filter, "second"),
    arrow(
      [
        [416, 186],
        [416, 119],
      ],
      "",
      "second",
    ),
  ];
  if (from)
    shapes.push(
      arrow(
        [
          [30, 152],
          [30, 206],
          [344, 206],
        ],
        "",
        "second",
      ),
      text(190, 198, from),
    );
  return { height: 236, shapes };
}

/** Which earlier positions a causal Fourier mixer reads. */
export function causalMixer(): Scene {
  const size = 17;
  const n = 10;
  const full = Array.from({ length: n }, () => Array.from({ length: n }, (): Tone => "quiet"));
  const causal = Array.from({ length: n }, (_, r) =>
    Array.from({ length: n }, (_, c): Tone | null => (c <= r ? "accent" : null)),
  );
  const window = Array.from({ length: n }, (_, r) =>
    Array.from({ length: n }, (_, c): Tone | null => (c <= r && c > r - 4 ? "second" : null)),
  );
  const panel = (x: number, title: string, rows: readonly (readonly (Tone | null)[])[], under: string): Shape[] => [
    text(x + (n * size) / 2, 20, title, { strong: true, tone: "plain" }),
    cells(x, 38, size, rows),
    text(x + (n * size) / 2, 228, under),
  ];
  return {
    height: 246,
    shapes: [
      ...panel(40, "Fourier mixing (FNet)", full, "each position reads all"),
      ...panel(275, "masked", causal, "only earlier ones"),
      ...panel(510, "window", window, "a transform of the last few"),
      text(28, 123, "↓", {}),
      text(24, 52, "out", {}),
      straight(123, 220, 266, "", "accent"),
    ],
  };
}

/** A long convolution as matrix products: the sequence as a matrix, transformed along one side, turned, along the other. */
export function monarchConvolution(): Scene {
  const grid = (x: number, y: number, tone: (r: number, c: number) => Tone): Shape =>
    cells(
      x,
      y,
      15,
      Array.from({ length: 6 }, (_, r) => Array.from({ length: 6 }, (_, c) => tone(r, c))),
    );
  return {
    height: 250,
    shapes: [
      bars([14, 70], [90, 80], sequence),
      text(59, 172, "sequence of N"),
      straight(110, 108, 130, "fold"),
      grid(134, 66, () => "plain"),
      text(179, 172, "√N × √N"),
      straight(110, 228, 258),
      grid(262, 66, (_, c) => (c === 2 ? "accent" : "quiet")),
      text(307, 172, "DFT of columns", { tone: "accent" }),
      text(307, 188, "one matrix product"),
      straight(110, 356, 386, "turn"),
      grid(390, 66, (r) => (r === 3 ? "second" : "quiet")),
      text(435, 172, "DFT of rows", { tone: "second" }),
      text(435, 188, "another product"),
      straight(110, 484, 508),
      sign(522, 110, "×"),
      text(522, 148, "kernel’s"),
      text(522, 163, "spectrum"),
      straight(110, 536, 562),
      box(564, 82, 66, 56, "the same\nback", "plain"),
      straight(110, 632, 650),
      curve([654, 76], [54, 68], (at) => Math.sin(9 * at) * (1 - at), "accent"),
      text(360, 228, "matrix products run at the full speed of the machine; a butterfly of additions does not"),
    ],
  };
}

/** A vector shortened to the lowest frequencies of itself, taken for a signal. */
export function lowFrequencies(): Scene {
  const tones: readonly Tone[] = spectrum.map((_, i) => (i < 4 ? "accent" : "quiet"));
  return {
    height: 210,
    shapes: [
      text(80, 26, "embedding of a sentence", { strong: true, tone: "plain" }),
      bars([20, 50], [130, 100], sequence),
      text(85, 172, "numbers along the index"),
      straight(100, 156, 186),
      box(188, 76, 70, 48, "FFT"),
      straight(100, 260, 288),
      bars([292, 50], [130, 100], spectrum, tones),
      text(357, 172, "absolute values"),
      straight(100, 428, 470, "lowest", "accent"),
      bars([474, 50], [44, 100], spectrum.slice(0, 4), "accent"),
      text(496, 172, "stored", { tone: "accent" }),
      straight(100, 524, 562),
      box(564, 70, 136, 60, "nearest by cosine", "plain", "queries go the same way"),
    ],
  };
}
