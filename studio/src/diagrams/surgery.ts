/** Matrices that are replaced by cheaper ones. */
import { arrow, bars, box, cells, curve, type Scene, type Shape, sign, straight, type Tone, text } from "./scene.ts";

const full = (rows: number, columns: number, tone: Tone = "plain") =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => tone));

/** A matrix of low rank as a product of two thin ones from the start, and how the loss falls with what training costs. */
export function lowRank(): Scene {
  const [s, n, rank] = [13, 10, 3];
  const [dense, thin] = [(at: number) => 0.72 - 0.95 * at, (at: number) => 0.95 - 1.5 * at];
  return {
    height: 244,
    shapes: [
      text(90, 24, "dense", { strong: true, tone: "plain" }),
      cells(26, 42, s, full(n, n)),
      text(90, 194, "n × n weights"),
      sign(188, 106, "≈"),
      text(300, 24, "low rank from the start", { strong: true, tone: "accent" }),
      cells(236, 42, s, full(n, rank, "accent")),
      cells(292, 42 + 3.5 * s, s, full(rank, n, "accent")),
      text(330, 194, "2 · n · r weights"),
      text(580, 24, "loss", { strong: true, tone: "plain" }),
      arrow([
        [470, 180],
        [470, 38],
      ]),
      straight(180, 470, 706),
      curve([480, 46], [210, 120], dense, "plain"),
      curve([480, 46], [210, 120], thin, "accent"),
      text(700, 108, "dense", { anchor: "end" }),
      text(560, 160, "low rank, steeper", { tone: "accent" }),
      text(588, 200, "operations of training"),
      text(360, 232, "what is saved makes the model wider: from some size on it is the better one"),
    ],
  };
}

/** The three forms of a structured matrix, and the dense one that guides them while it fades. */
export function structuredForms(): Scene {
  const [s, n] = [9, 8];
  const grid = (rows: number, columns: number, tone: Tone, has: (r: number, c: number) => boolean) =>
    Array.from({ length: rows }, (_, r) =>
      Array.from({ length: columns }, (_, c): Tone | null => (has(r, c) ? tone : null)),
    );
  const diagonal = (rows: number, columns: number) =>
    grid(rows, columns, "second", (r, c) => Math.floor((4 * r) / rows) === Math.floor((4 * c) / columns));
  const form = (x: number, name: string, left: Shape, right: Shape, between: number): Shape[] => [
    text(x + 96, 24, name, { strong: true, tone: "accent" }),
    left,
    sign(between, 78, "·"),
    right,
  ];
  const middle = 78;
  const tall = (rows: number) => middle - (rows * s) / 2;
  const fading = Array.from({ length: 20 }, (_, i) => (i < 10 ? 0.5 + 0.5 * Math.cos((Math.PI * (i + 0.5)) / 10) : 0));
  return {
    height: 250,
    shapes: [
      ...form(
        20,
        "low rank",
        cells(44, tall(n), s, full(n, 3, "accent")),
        cells(104, tall(3), s, full(3, n, "accent")),
        88,
      ),
      ...form(
        262,
        "block-shuffle",
        cells(262, tall(n), s, diagonal(n, n)),
        cells(
          366,
          tall(n),
          s,
          grid(n, n, "accent", (r, c) => r % 4 === c % 4),
        ),
        350,
      ),
      ...form(
        500,
        "block-dense",
        cells(516, tall(n), s, diagonal(n, 4)),
        cells(584, tall(4), s, full(4, n, "accent")),
        568,
      ),
      text(116, 138, "two thin matrices"),
      text(358, 138, "within blocks, then across"),
      text(596, 138, "blocks, then a thin one"),
      text(20, 186, "guide", { anchor: "start", strong: true, tone: "plain" }),
      text(20, 204, "a dense matrix beside it", { anchor: "start" }),
      bars([220, 162], [330, 50], fading, "plain"),
      text(385, 230, "its share over the steps of training: gone after the first half"),
      sign(586, 186, "+"),
      box(612, 164, 94, 44, "structured", "accent", "stays"),
    ],
  };
}

/** A layer in two parts: the units that give most stay whole, the maps of the others are compressed. */
export function split(): Scene {
  const s = 12;
  return {
    height: 236,
    shapes: [
      text(84, 24, "hidden units", { strong: true, tone: "plain" }),
      cells(42, 40, s, [...full(3, 7, "accent"), ...full(9, 7, "quiet")]),
      text(84, 202, "a few give most"),
      straight(60, 136, 216, "whole", "accent"),
      cells(226, 42, s, full(3, 8, "accent")),
      straight(130, 136, 216, "compressed"),
      cells(226, 92, s, full(7, 2, "second")),
      cells(256, 92 + 2.5 * s, s, full(2, 6, "second")),
      text(276, 200, "low rank, or few bits", { tone: "second" }),
      arrow(
        [
          [330, 60],
          [420, 60],
          [420, 104],
        ],
        "",
        "accent",
      ),
      arrow(
        [
          [336, 134],
          [420, 134],
          [420, 130],
        ],
        "",
        "second",
      ),
      sign(420, 118, "+"),
      straight(118, 434, 470),
      box(472, 84, 222, 68, "half of the weights", "plain", "almost the same output"),
    ],
  };
}

/** The stream is turned into the basis of its principal components, and the last directions are cut everywhere. */
export function slicing(): Scene {
  const s = 13;
  const cut = (rows: number, columns: number, keepRows: number, keepColumns: number) =>
    Array.from({ length: rows }, (_, r) =>
      Array.from({ length: columns }, (_, c): Tone | null => (r < keepRows && c < keepColumns ? "accent" : null)),
    );
  return {
    height: 236,
    shapes: [
      text(76, 24, "stream", { strong: true, tone: "plain" }),
      cells(30, 42, s, full(7, 7)),
      text(76, 156, "width d"),
      straight(88, 128, 172),
      sign(188, 88, "Q", "second"),
      text(188, 124, "principal"),
      text(188, 140, "components"),
      straight(88, 202, 240),
      cells(246, 42, s, cut(7, 7, 7, 5)),
      text(292, 156, "least energy is cut", { tone: "accent" }),
      straight(88, 344, 388),
      text(472, 24, "every matrix shrinks", { strong: true, tone: "plain" }),
      cells(396, 42, s, cut(7, 11, 5, 11)),
      cells(560, 42, s, cut(11, 7, 11, 5)),
      text(466, 156, "reads the stream"),
      text(604, 204, "writes to it"),
      text(250, 222, "turning changes nothing; cutting is all that is lost"),
    ],
  };
}
