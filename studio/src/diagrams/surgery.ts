/** Matrices that are replaced by cheaper ones. */
import { arrow, box, cells, type Scene, type Shape, sign, type Tone, text } from "./scene.ts";

const full = (rows: number, columns: number, tone: Tone = "plain") =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => tone));

/** A matrix of low rank as a product of two thin ones, and of blocks where `blocks` says so. */
export function factors({ note, blocks = false }: { readonly note: string; readonly blocks?: boolean }): Scene {
  const [s, n, rank] = [13, 10, 3];
  const diagonal = (size: number) =>
    Array.from({ length: n }, (_, r) =>
      Array.from({ length: n }, (_, c): Tone | null =>
        Math.floor(r / size) === Math.floor(c / size) ? "second" : null,
      ),
    );
  const strided = Array.from({ length: n }, (_, r) =>
    Array.from({ length: n }, (_, c): Tone | null => (r % 2 === c % 2 ? "accent" : null)),
  );
  const shapes: Shape[] = [
    text(90, 24, "dense", { strong: true, tone: "plain" }),
    cells(26, 42, s, full(n, n)),
    text(90, 194, "n × n weights"),
    sign(188, 106, "≈"),
    text(290, 24, "low rank", { strong: true, tone: "accent" }),
    cells(236, 42, s, full(n, rank, "accent")),
    cells(292, 42 + 3.5 * s, s, full(rank, n, "accent")),
    text(330, 194, "2 · n · r weights"),
  ];
  if (blocks)
    shapes.push(
      text(540, 24, "or blocks", { strong: true, tone: "second" }),
      cells(436, 48, 12, diagonal(5)),
      cells(590, 48, 12, strided),
      sign(572, 108, "·"),
      text(572, 194, "block products: within blocks, then across"),
    );
  else
    shapes.push(
      arrow(
        [
          [446, 106],
          [492, 106],
        ],
        "",
        "accent",
      ),
      box(
        496,
        66,
        200,
        80,
        "trained as a product",
        "accent",
        "from the start, guided by\na dense matrix that fades out",
      ),
    );
  shapes.push(text(360, 228, note));
  return { height: 244, shapes };
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
      arrow(
        [
          [136, 60],
          [216, 60],
        ],
        "whole",
        "accent",
      ),
      cells(226, 42, s, full(3, 8, "accent")),
      arrow(
        [
          [136, 130],
          [216, 130],
        ],
        "compressed",
      ),
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
      arrow([
        [434, 118],
        [470, 118],
      ]),
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
      arrow([
        [128, 88],
        [172, 88],
      ]),
      sign(188, 88, "Q", "second"),
      text(188, 124, "principal"),
      text(188, 140, "components"),
      arrow([
        [202, 88],
        [240, 88],
      ]),
      cells(246, 42, s, cut(7, 7, 7, 5)),
      text(292, 156, "least energy is cut", { tone: "accent" }),
      arrow([
        [344, 88],
        [388, 88],
      ]),
      text(472, 24, "every matrix shrinks", { strong: true, tone: "plain" }),
      cells(396, 42, s, cut(7, 11, 5, 11)),
      cells(560, 42, s, cut(11, 7, 11, 5)),
      text(466, 156, "reads the stream"),
      text(604, 204, "writes to it"),
      text(250, 222, "turning changes nothing; cutting is all that is lost"),
    ],
  };
}
