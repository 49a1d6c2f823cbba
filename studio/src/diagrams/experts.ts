/** Feed-forward layers of which a part is computed. */
import { arrow, box, cells, type Scene, type Shape, sign, straight, type Tone, text } from "./scene.ts";

/** A router chooses some of the experts that the hidden units were cut into. */
export function experts({
  count,
  active,
  router,
  unit,
  from,
}: {
  readonly count: number;
  /** Which are computed. */
  readonly active: readonly number[];
  readonly router: string;
  /** What one expert is called. */
  readonly unit: string;
  /** Where experts come from; drawn as a dense layer on the left. */
  readonly from?: string;
}): Scene {
  const shapes: Shape[] = [];
  const left = from ? 250 : 150;
  if (from) {
    const colours: readonly Tone[] = ["accent", "second", "plain", "quiet"];
    shapes.push(
      text(76, 26, "dense layer", { strong: true, tone: "plain" }),
      cells(
        44,
        42,
        16,
        Array.from({ length: 8 }, (_, r) => Array.from({ length: 4 }, () => colours[(r * 3) % 4] as Tone)),
      ),
      text(76, 190, "hidden units"),
      straight(106, 124, 186, from, "accent"),
    );
  }
  shapes.push(
    text(left - 48, 106, "x", { strong: true, tone: "plain" }),
    arrow([
      [left - 38, 106],
      [left - 4, 106],
      [left - 4, 40],
      [left + 18, 40],
    ]),
    box(left + 20, 20, 128, 40, router, "second"),
    straight(106, left - 4, left + 24),
  );
  const room = (690 - left - 110) / count;
  for (let i = 0; i < count; i++) {
    const x = left + 28 + i * room;
    const isOn = active.includes(i);
    shapes.push(box(x, 92, room - 8, 58, `${i + 1}`, isOn ? "accent" : "ghost"));
    if (isOn) {
      shapes.push(
        arrow(
          [
            [left + 84, 61],
            [left + 84, 74],
            [x + room / 2 - 4, 74],
            [x + room / 2 - 4, 90],
          ],
          "",
          "second",
        ),
        arrow(
          [
            [x + room / 2 - 4, 152],
            [x + room / 2 - 4, 190],
            [634, 190],
          ],
          "",
          "accent",
        ),
      );
    }
  }
  shapes.push(text(left + 168, 44, unit, { anchor: "start" }), sign(648, 190, "+"), straight(190, 661, 700));
  return { height: 222, shapes };
}

/** A tree of linear decisions with a small network in each leaf, and a leaf that sees every input. */
export function tree(): Scene {
  const shapes: Shape[] = [];
  const depth = 3;
  const taken = [0, 1, 2];
  const at = (level: number, i: number): readonly [number, number] => [
    250 + (((i + 0.5) * 2 ** (depth - level) - 4) * 54 + 0),
    34 + level * 52,
  ];
  for (let level = 0; level < depth; level++)
    for (let i = 0; i < 2 ** level; i++) {
      const [x, y] = at(level, i);
      for (const side of [0, 1]) {
        const child = 2 * i + side;
        const [cx, cy] = at(level + 1, child);
        const onWay = taken[level] === i && (level + 1 < depth ? taken[level + 1] === child : child === 5);
        shapes.push(
          arrow(
            [
              [x, y + 12],
              [cx, cy - (level + 1 < depth ? 14 : 18)],
            ],
            "",
            onWay ? "accent" : "quiet",
          ),
        );
      }
    }
  for (let level = 0; level < depth; level++)
    for (let i = 0; i < 2 ** level; i++)
      shapes.push(sign(...at(level, i), "≷", taken[level] === i ? "accent" : "plain"));
  for (let i = 0; i < 2 ** depth; i++) {
    const [x, y] = at(depth, i);
    shapes.push(box(x - 22, y - 16, 44, 34, i === 5 ? "ffn" : "", i === 5 ? "accent" : "ghost"));
  }
  shapes.push(
    text(250, 238, "one small network a leaf: training mixes all, inference follows one path"),
    arrow(
      [
        [331, 209],
        [331, 219],
        [560, 219],
        [560, 153],
      ],
      "",
      "accent",
    ),
    box(526, 44, 150, 40, "master leaf", "second", "sees every input"),
    arrow([
      [250, 6],
      [250, 20],
    ]),
    arrow(
      [
        [250, 10],
        [601, 10],
        [601, 42],
      ],
      "",
      "second",
    ),
    arrow(
      [
        [601, 86],
        [601, 108],
        [573, 138],
      ],
      "",
      "second",
    ),
    sign(560, 140, "+"),
    text(600, 152, "blended by a", { anchor: "start" }),
    text(600, 168, "learned share", { anchor: "start" }),
    straight(140, 573, 592),
  );
  return { height: 252, shapes };
}
