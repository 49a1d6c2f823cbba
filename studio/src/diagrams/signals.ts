/** Quantizers, sparse transforms and spectra of physics. */
import { arrow, bars, box, cells, curve, type Scene, type Shape, straight, type Tone, text } from "./scene.ts";

/** Each channel is bounded and rounded; the codes are all combinations. */
export function finiteScalars({ levels }: { readonly levels: readonly [number, number] }): Scene {
  const [across, down] = levels;
  const squash = (at: number) => Math.tanh(5 * (at - 0.5));
  const step = (at: number) => Math.round((squash(at) * (across - 1)) / 2) / ((across - 1) / 2);
  const [x0, y0, size] = [432, 44, 30];
  const lattice: Shape[] = [];
  for (let r = 0; r < down; r++)
    for (let c = 0; c < across; c++)
      lattice.push({
        type: "dot",
        x: x0 + c * size,
        y: y0 + r * size,
        r: 4,
        tone: c === 5 && r === 2 ? "accent" : "quiet",
      });
  return {
    height: 240,
    shapes: [
      bars([16, 66], [70, 80], [0.7, -0.4]),
      text(51, 166, "encoder’s"),
      text(51, 182, "channels"),
      straight(106, 92, 122),
      curve([128, 60], [90, 92], squash, "second"),
      text(173, 172, "bound", { tone: "second" }),
      straight(106, 224, 250),
      curve([256, 60], [110, 92], step, "accent"),
      text(311, 172, "round", { tone: "accent" }),
      text(311, 188, `${across} values a channel`),
      straight(106, 372, 412),
      ...lattice,
      { type: "dot", x: x0 + 5 * size + 9, y: y0 + 2 * size - 8, r: 4, tone: "second" },
      text(
        x0 + ((across - 1) * size) / 2,
        y0 + (down - 1) * size + 26,
        `${across} × ${down} codes, none learned, none to collapse`,
      ),
      text(360, 226, "the gradient passes the rounding as if it were not there"),
    ],
  };
}

/** Subsampled signals, small transforms, bins, and peeling. */
export function peeling(): Scene {
  const spectrum = [0, 0, 0.9, 0, 0, 0, 0, 0.6, 0, 0, 0, 0.75, 0, 0, 0, 0];
  const tones = spectrum.map((value): Tone => (value > 0 ? "accent" : "quiet"));
  const shapes: Shape[] = [
    bars([14, 40], [130, 60], [0.4, -0.2, 0.6, -0.7, 0.2, 0.5, -0.3, 0.1, 0.7, -0.5, 0.3, -0.1, 0.2, 0.6, -0.4, 0.1]),
    text(79, 120, "N samples, few are read"),
  ];
  const bins: readonly (readonly number[])[] = [
    [0.9, 0, 0.6, 0.75],
    [0, 0.9, 0, 1],
    [0.75, 0.9, 0, 0.6],
  ];
  for (const [i, values] of bins.entries()) {
    const y = 18 + i * 68;
    shapes.push(
      arrow([
        [150, 70],
        [176, 70],
        [176, y + 26],
        [204, y + 26],
      ]),
      box(206, y, 118, 52, "subsample", "plain", "small transform"),
      straight(y + 26, 326, 346),
      bars(
        [350, y + 4],
        [90, 44],
        values,
        values.map((v): Tone => (v === 1 ? "second" : v > 0 ? "accent" : "quiet")),
      ),
    );
  }
  shapes.push(
    text(395, 228, "bins: alone, or several in one", {}),
    straight(112, 446, 506, "peel", "accent"),
    text(502, 134, "take what is alone,"),
    text(502, 150, "subtract it, again"),
    bars([556, 76], [150, 72], spectrum, tones),
    text(631, 168, "all K coefficients", { tone: "accent" }),
    straight(112, 508, 548, "", "accent"),
  );
  return { height: 244, shapes };
}

/** A power spectrum as a sum of complex powers, each of which is projected in closed form. */
export function powerLaws(): Scene {
  return {
    height: 220,
    shapes: [
      curve([20, 40], [110, 100], (at) => 10 * at * Math.exp(1 - 5 * at) - 1, "plain"),
      text(75, 160, "power P(k)"),
      straight(90, 136, 166),
      box(168, 66, 84, 48, "FFTLog", "second"),
      straight(90, 254, 276),
      ...[0, 1, 2].map(
        (i): Shape =>
          curve([280, 34 + i * 42], [92, 34], (at) => (0.9 - 0.2 * i) * Math.cos((4 + 5 * i) * at + i), "accent"),
      ),
      text(326, 172, "Σ cₙ · k^νₙ", { tone: "accent" }),
      straight(90, 378, 404),
      box(406, 58, 148, 64, "line of sight", "accent", "in closed form\nfor each power"),
      straight(90, 556, 580),
      curve([586, 40], [116, 100], (at) => 0.9 - 2.1 * at ** 1.6 + 0.12 * Math.sin(20 * at), "plain"),
      text(632, 160, "angular spectrum Cℓ"),
      text(360, 206, "Limber’s approximation leaves the modes along the line of sight out"),
    ],
  };
}

/** A spectrum of a covariance, and the two ways to count how much of the width it uses. */
export function covarianceSpectrum({
  reads,
}: {
  readonly reads: readonly (readonly [label: string, share: number])[];
}): Scene {
  const values = Array.from({ length: 18 }, (_, i) => 1 / (1 + i) ** 0.9);
  const size = 13;
  const n = 8;
  return {
    height: 236,
    shapes: [
      cells(
        16,
        52,
        14,
        Array.from({ length: 7 }, (_, r) =>
          Array.from({ length: 6 }, (_, c): Tone => ((r * 5 + c * 3) % 7 < 3 ? "plain" : "quiet")),
        ),
      ),
      text(58, 170, "activations"),
      text(58, 186, "tokens × width"),
      straight(100, 108, 140),
      cells(
        144,
        48,
        size,
        Array.from({ length: n }, (_, r) =>
          Array.from({ length: n }, (_, c): Tone => (r === c ? "accent" : Math.abs(r - c) < 2 ? "second" : "quiet")),
        ),
      ),
      text(196, 170, "covariance"),
      straight(100, 254, 286),
      bars([290, 36], [230, 112], values, "accent"),
      text(405, 170, "eigenvalues, largest first", { tone: "accent" }),
      ...reads.flatMap(([label, share], i): Shape[] => [
        box(560, 36 + i * 66, 146, 50, label, i === 0 ? "second" : "plain"),
        arrow([
          [524, 92],
          [540, 92],
          [540, 61 + i * 66],
          [558, 61 + i * 66],
        ]),
        straight(194 + i * 18, 290, 290 + 230 * share, "", i === 0 ? "second" : "plain"),
        text(296 + 230 * share, 194 + i * 18, label.split("\n")[0] as string, { anchor: "start" }),
      ]),
    ],
  };
}

/** Effective dimensions at every layer of a network, and of many networks beside their accuracy. */
export function dimensionsByLayer(): Scene {
  const dims = [0.35, 0.75, 1, 0.85, 0.55, 0.38, 0.3];
  const models: readonly (readonly [x: number, y: number])[] = [
    ...([
      [0.08, 0.12],
      [0.2, 0.3],
      [0.3, 0.26],
      [0.42, 0.46],
      [0.5, 0.62],
    ] as const),
    ...([
      [0.62, 0.58],
      [0.72, 0.78],
      [0.84, 0.74],
      [0.94, 0.92],
    ] as const),
  ];
  return {
    height: 244,
    shapes: [
      text(190, 24, "effective dimension at each layer", { strong: true, tone: "plain" }),
      text(16, 112, "images", { anchor: "start" }),
      straight(108, 66, 90),
      bars([94, 44], [220, 128], dims, ["plain", "plain", "second", "second", "second", "second", "accent"]),
      text(204, 190, "layer by layer"),
      straight(206, 190, 312, "", "second"),
      text(250, 226, "compression", { tone: "second" }),
      straight(152, 318, 420, "last features", "accent"),
      text(572, 24, "many networks", { strong: true, tone: "plain" }),
      arrow([
        [440, 190],
        [440, 40],
      ]),
      straight(190, 440, 706),
      ...models.map(([x, y]): Shape => ({ type: "dot", x: 450 + 240 * x, y: 182 - 132 * y, r: 5, tone: "accent" })),
      text(450, 48, "accuracy", { anchor: "start" }),
      text(700, 210, "effective dimension, without labels", { anchor: "end", tone: "accent" }),
    ],
  };
}
