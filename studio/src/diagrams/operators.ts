/** Neural operators: maps between fields. */
import { arrow, bars, box, cells, curve, type Scene, type Shape, sign, straight, type Tone, text } from "./scene.ts";

const modes = [0.9, 0.75, 0.6, 0.45, 0.3, 0.22, 0.15, 0.1];
const wave = (at: number) => 0.5 * Math.sin(6.3 * at) + 0.3 * Math.sin(17 * at + 1);

/** A branch beside the spectral one. */
export interface OperatorBranch {
  readonly label: string;
  readonly sub?: string;
  readonly tone?: Tone;
}

/** A Fourier layer: to frequencies, the lowest times weights, back; beside it local branches; all are added. */
export function fourierLayer({ branches }: { readonly branches: readonly OperatorBranch[] }): Scene {
  const tones: readonly Tone[] = modes.map((_, i) => (i < 4 ? "accent" : "quiet"));
  const shapes: Shape[] = [
    curve([14, 46], [76, 76], wave, "plain"),
    text(52, 140, "field v"),
    straight(84, 96, 138),
    box(140, 60, 76, 48, "FFT", "second"),
    straight(84, 218, 238),
    bars([242, 40], [86, 88], modes, tones),
    text(268, 142, "kept", { tone: "accent" }),
    text(310, 142, "cut"),
    straight(84, 330, 344),
    box(346, 54, 160, 60, "R · modes", "accent", "learned, one matrix a mode"),
    straight(84, 508, 520),
    box(522, 60, 80, 48, "inverse FFT", "second"),
    straight(84, 604, 622),
    sign(636, 84, "+"),
    straight(84, 649, 668),
    text(690, 84, "σ", { strong: true, tone: "plain" }),
  ];
  for (const [i, { label, sub = "", tone = "plain" }] of branches.entries()) {
    const y = 168 + i * 58;
    shapes.push(
      arrow([
        [116, 84],
        [116, y + 22],
        [232, y + 22],
      ]),
      box(234, y, 272, 44, label, tone, sub),
      arrow([
        [508, y + 22],
        [636, y + 22],
        [636, 98],
      ]),
    );
  }
  return { height: 178 + branches.length * 58, shapes };
}

/** Transform once: one transform, layers on frequencies, the loss there too. */
export function transformOnce(): Scene {
  const layer = (x: number, i: number): Shape[] => [
    box(x, 128, 92, 52, `layer ${i}`, "accent", "on frequencies"),
    straight(154, x + 94, x + 112),
  ];
  return {
    height: 240,
    shapes: [
      text(14, 24, "Fourier operator", { anchor: "start", strong: true, tone: "plain" }),
      ...[0, 1, 2].flatMap((i): Shape[] => [
        box(150 + i * 172, 10, 48, 30, "FFT", "quiet"),
        box(202 + i * 172, 10, 40, 30, "R", "quiet"),
        box(246 + i * 172, 10, 48, 30, "iFFT", "quiet"),
        ...(i < 2 ? [straight(25, 296 + i * 172, 318 + i * 172)] : []),
      ]),
      text(14, 84, "Transform Once", { anchor: "start", strong: true, tone: "accent" }),
      curve([14, 118], [76, 72], wave, "plain"),
      text(52, 208, "field"),
      straight(154, 96, 114),
      box(116, 128, 92, 52, "cosine", "second", "transform"),
      straight(154, 210, 228),
      ...layer(230, 1),
      ...layer(344, 2),
      ...layer(458, 3),
      box(572, 128, 134, 52, "loss", "plain", "against the spectrum\nof the target"),
      text(360, 226, "no way back while training; lowest frequencies only"),
    ],
  };
}

/** Spherical harmonics of a place, and what reads them. */
export function locationEncoder(): Scene {
  const rows: Shape[] = [];
  const band = ["accent", "second"] as const;
  for (let degree = 0; degree < 3; degree++)
    for (let order = -degree; order <= degree; order++) {
      const [cx, cy] = [282 + order * 40, 52 + degree * 56];
      const size = 11;
      rows.push(
        cells(
          cx - 1.5 * size,
          cy - 1.5 * size,
          size,
          Array.from({ length: 3 }, (_, r) =>
            Array.from({ length: 3 }, (_, c): Tone => {
              const lon = Math.cos(Math.abs(order) * c * 1.6 + (order < 0 ? 1.6 : 0));
              const lat = degree === Math.abs(order) ? 1 : Math.cos((degree - Math.abs(order)) * r * 1.6);
              return lon * lat >= 0 ? band[0] : band[1];
            }),
          ),
        ),
      );
    }
  return {
    height: 230,
    shapes: [
      { type: "dot", x: 76, y: 108, r: 54, tone: "quiet" },
      curve([26, 78], [100, 20], (at) => -Math.sin(Math.PI * at), "plain"),
      curve([26, 112], [100, 20], (at) => -Math.sin(Math.PI * at), "plain"),
      { type: "dot", x: 92, y: 86, r: 5, tone: "second" },
      text(76, 184, "longitude, latitude"),
      straight(108, 136, 184),
      ...rows,
      text(282, 208, "spherical harmonics by degree", { tone: "accent" }),
      straight(108, 386, 418),
      box(420, 76, 92, 64, "sin(W·x)", "accent", "a layer of sines"),
      straight(108, 514, 534),
      box(536, 76, 66, 64, "sin(W·x)", "accent"),
      straight(108, 604, 626),
      box(628, 84, 78, 48, "land or sea", "plain"),
    ],
  };
}

/** A convolution on the sphere: coefficients by degree and order, each degree times a weight of its own. */
export function sphericalLayer(): Scene {
  const [size, degrees] = [15, 5];
  const middle = 250;
  const tones: readonly Tone[] = ["accent", "second", "accent", "second", "accent"];
  const globe = (x: number): Shape[] => [
    { type: "dot", x, y: 104, r: 50, tone: "quiet" },
    ...[-22, 0, 22].map((dy) => curve([x - 44, 94 + dy], [88, 20], (at) => -Math.sin(Math.PI * at) * 0.8, "plain")),
  ];
  return {
    height: 244,
    shapes: [
      ...globe(68),
      text(68, 178, "a field on the sphere"),
      straight(104, 124, 196, "SHT", "second"),
      ...Array.from(
        { length: degrees },
        (_, l): Shape =>
          cells(middle - ((2 * l + 1) * size) / 2, 44 + l * 25, size, [
            Array.from({ length: 2 * l + 1 }, () => tones[l] as Tone),
          ]),
      ),
      text(middle, 26, "order m"),
      text(middle, 190, "degree ℓ: a row", { tone: "accent" }),
      ...Array.from({ length: degrees }, (_, l): Shape[] => [
        sign(352, 52 + l * 25, "×", tones[l] as Tone),
        text(392, 56 + l * 25, `w${"₀₁₂₃₄"[l]}`, { strong: true, tone: tones[l] as Tone }),
      ]).flat(),
      text(392, 190, "one weight a degree"),
      straight(104, 424, 520, "inverse SHT", "second"),
      ...globe(580),
      sign(650, 104, "+"),
      text(690, 108, "σ", { strong: true, tone: "plain" }),
      straight(104, 664, 680),
      box(300, 204, 184, 34, "W, pointwise", "plain"),
      arrow([
        [136, 110],
        [136, 221],
        [298, 221],
      ]),
      arrow([
        [486, 221],
        [650, 221],
        [650, 118],
      ]),
    ],
  };
}
