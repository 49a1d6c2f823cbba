/** Feed-forward layers and the blocks they stand in. */
import { arrow, bars, box, curve, funnel, type Scene, type Shape, sign, straight, type Tone, text } from "./scene.ts";

/** One map of a feed-forward layer. */
export interface FfnMap {
  /** Width after the map, the model's being 1. */
  readonly to: number;
  readonly label: string;
  readonly sub?: string;
  readonly tone?: Tone;
}

/** A feed-forward layer from left to right: maps between widths, with a nonlinear function after each of `acts`. */
export function ffn({
  maps,
  acts,
  residual = true,
  input = 1,
  widths = [],
}: {
  readonly maps: readonly FfnMap[];
  /** What is applied after each map, empty for nothing; the last map has none. */
  readonly acts: readonly string[];
  readonly residual?: boolean;
  readonly input?: number;
  /** What the widths are called, input first. */
  readonly widths?: readonly string[];
}): Scene {
  const middle = 130;
  /** Picture heights of widths: not in proportion, or wide layers would leave no room for others. */
  const tall = (width: number) => 34 + 38 * Math.sqrt(width) * (width > 1 ? 1 : 0.8);
  const gap = 34;
  const w = Math.min(150, (520 - gap * maps.length) / maps.length);
  const shapes: Shape[] = [];
  /** Where the drawing begins, so that it stands in the middle. */
  const left = (720 - (maps.length * (w + gap) + 120)) / 2;
  let x = left + 76;
  let from = input;
  shapes.push(text(left + 30, middle, "x", { strong: true, tone: "plain" }), straight(middle, left + 40, x - 6));
  if (widths[0]) shapes.push(text(x, middle + tall(from) / 2 + 16, widths[0]));
  for (const [i, { to, label, sub = "", tone = "plain" }] of maps.entries()) {
    shapes.push(funnel([x, middle], w, [tall(from), tall(to)], label, tone, sub));
    x += w;
    if (widths[i + 1]) shapes.push(text(x, middle + tall(to) / 2 + 16, widths[i + 1] as string));
    const act = acts[i] ?? "";
    if (i < maps.length - 1) {
      shapes.push(straight(middle, x + 2, x + gap - 3));
      if (act) shapes.push(text(x + gap / 2, middle - tall(to) / 2 - 8, act, { tone: "accent", strong: true }));
      x += gap;
    }
    from = to;
  }
  const end = x + 42;
  if (residual) {
    shapes.push(
      straight(middle, x + 2, end - 12),
      sign(end, middle, "+"),
      arrow(
        [
          [left + 54, middle],
          [left + 54, 26],
          [end, 26],
          [end, middle - 13],
        ],
        "residual",
        "quiet",
      ),
      straight(middle, end + 13, end + 44),
    );
  } else shapes.push(straight(middle, x + 2, end + 20));
  return { height: 240, shapes };
}

/** A block of a tower. */
export interface TowerBlock {
  readonly label: string;
  readonly tone?: Tone;
  readonly sub?: string;
  /** Height in blocks. */
  readonly tall?: number;
}

/** Towers of blocks side by side, each read from below, with a word between them. */
export function towers(
  list: readonly { readonly title: string; readonly blocks: readonly TowerBlock[]; readonly wide?: number }[],
  between = "",
): Scene {
  const most = Math.max(...list.map(({ blocks }) => blocks.reduce((sum, { tall = 1 }) => sum + tall, 0)));
  const room = 720 / list.length;
  const unit = 52;
  const height = most * unit + 74;
  const shapes: Shape[] = [];
  for (const [i, { title, blocks, wide = 168 }] of list.entries()) {
    const centre = room * (i + 0.5);
    shapes.push(text(centre, 20, title, { strong: true, tone: "plain" }));
    let bottom = height - 22;
    for (const { label, tone = "plain", sub = "", tall = 1 } of blocks) {
      const h = tall * unit - 12;
      shapes.push(
        arrow([
          [centre, bottom],
          [centre, bottom - 11],
        ]),
        box(centre - wide / 2, bottom - 12 - h, wide, h, label, tone, sub),
      );
      bottom -= tall * unit;
    }
    shapes.push(
      arrow([
        [centre, bottom],
        [centre, bottom - 14],
      ]),
    );
    if (between && i < list.length - 1) {
      const x = room * (i + 1);
      shapes.push(straight(height / 2, x - 34, x + 34, between, "accent"));
    }
  }
  return { height, shapes };
}

/** A feed-forward layer as a memory: keys are scored, an activation makes weights of the scores, values are added up. */
export function memory({
  act,
  reads,
  note,
}: {
  readonly act: string;
  readonly reads: readonly string[];
  readonly note: string;
}): Scene {
  const scores = [0.3, -0.6, 0.9, -0.2, -0.7, 0.15, 0.55, -0.45];
  const on = scores.map((score) => Math.max(0, score));
  const tones = on.map((weight): Tone => (weight > 0.5 ? "accent" : weight > 0 ? "plain" : "quiet"));
  return {
    height: 250,
    shapes: [
      text(34, 110, "x", { strong: true, tone: "plain" }),
      straight(110, 46, 78),
      box(80, 46, 92, 128, "keys K", "plain", "one a unit"),
      straight(110, 174, 212, "K x"),
      bars([214, 60], [112, 100], scores, "plain"),
      text(270, 184, "scores"),
      text(352, 52, act, { tone: "accent", strong: true }),
      straight(110, 330, 374, "", "accent"),
      bars([378, 60], [112, 100], on, tones),
      text(434, 184, "few are on"),
      straight(110, 494, 532),
      box(534, 46, 84, 128, "values V", "accent", "one a unit"),
      straight(110, 620, 650),
      sign(664, 110, "+"),
      ...reads.map((word, i) => text(576, 196 + 16 * i, word, { tone: "accent" as const })),
      text(250, 224, note),
    ],
  };
}

/** What a layer adds, read through the output embedding: each value vector promotes tokens, and one may be switched on. */
export function promotion(): Scene {
  const coefficients = [0.1, 0.85, 0, 0.3, 0, 0.6];
  const rows: readonly (readonly [words: string, tone: Tone])[] = [
    ["captain, crew, ship, mate", "accent"],
    ["after, before, while, until", "second"],
    ["of, the, to, and", "quiet"],
  ];
  return {
    height: 246,
    shapes: [
      text(66, 24, "coefficients", { strong: true, tone: "plain" }),
      bars([14, 40], [104, 70], coefficients, ["quiet", "accent", "quiet", "quiet", "quiet", "second"]),
      text(66, 130, "one a hidden unit"),
      straight(76, 122, 158),
      text(206, 24, "values", { strong: true, tone: "plain" }),
      box(162, 40, 88, 22, "v₂", "accent"),
      box(162, 66, 88, 22, "v₆", "second"),
      box(162, 92, 88, 22, "v₄", "quiet"),
      straight(76, 254, 288),
      box(290, 44, 116, 64, "E", "plain", "output embedding"),
      ...rows.flatMap(([words, tone], i): Shape[] => [
        arrow(
          [
            [410, 76],
            [436, 76],
            [436, 40 + 38 * i],
            [456, 40 + 38 * i],
          ],
          "",
          tone,
        ),
        bars([460, 26 + 38 * i], [56, 26], i === 2 ? [0.4, 0.35, 0.3, 0.3] : [1, 0.8, 0.7, 0.6], tone),
        text(526, 44 + 38 * i, words, { anchor: "start", tone }),
      ]),
      text(560, 148, "the tokens it promotes most: often a concept", { tone: "accent" }),
      arrow(
        [
          [66, 186],
          [66, 138],
        ],
        "",
        "accent",
      ),
      text(14, 206, "switched on by hand: the model is steered", { anchor: "start", tone: "accent" }),
      text(700, 206, "which are on tells when a prediction is settled", { anchor: "end" }),
    ],
  };
}

/** Two ways to weigh slots of a memory: what they read, as slots are added. */
export function readings(): Scene {
  const scores = [0.3, -0.6, 0.9, -0.2, -0.7, 0.55];
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  const way = (y: number, act: string, weights: readonly number[], tone: Tone): Shape[] => [
    arrow([
      [262, 118],
      [286, 118],
      [286, y + 26],
      [308, y + 26],
    ]),
    box(310, y + 6, 84, 40, act, tone),
    straight(y + 26, 396, 412),
    bars([416, y], [86, 52], weights, tone),
    straight(y + 26, 506, 530),
  ];
  return {
    height: 246,
    shapes: [
      text(28, 118, "x", { strong: true, tone: "plain" }),
      straight(118, 40, 62),
      box(64, 76, 80, 84, "keys", "plain", "of a layer,\nor of the text"),
      straight(118, 146, 164),
      bars([168, 78], [90, 80], scores, "plain"),
      text(212, 176, "scores"),
      ...way(
        40,
        "ReLU",
        scores.map((score) => Math.max(0, score)),
        "accent",
      ),
      ...way(
        142,
        "softmax",
        scores.map((score) => (2 * Math.exp(score)) / total),
        "second",
      ),
      text(622, 24, "variance of what is read", { strong: true, tone: "plain" }),
      curve([536, 36], [166, 58], (at) => -0.8 + 1.7 * at, "accent"),
      text(698, 98, "grows with slots", { anchor: "end", tone: "accent" }),
      curve([536, 140], [166, 58], (at) => -0.8 + 1.7 / (1 + 8 * at), "second"),
      text(698, 158, "fades with slots", { anchor: "end", tone: "second" }),
      text(622, 216, "slots"),
      text(14, 232, "a factor keeps the variance of ReLU, in attention too", { anchor: "start" }),
    ],
  };
}
