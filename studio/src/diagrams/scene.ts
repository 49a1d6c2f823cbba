/** Drawings as data: shapes on a plane 720 wide, and the few ways in which they are put there. */

/** What a shape stands for: what the paper adds, what learns beside it, what is as usual, what is left out. */
export type Tone = "accent" | "second" | "plain" | "quiet" | "ghost";

export type Point = readonly [x: number, y: number];

export type Shape =
  | ({
      readonly type: "box";
      readonly x: number;
      readonly y: number;
      readonly w: number;
      readonly h: number;
    } & Labelled)
  /** A map between widths: a trapezoid around the height `y`, `from` high on the left and `to` on the right. */
  | ({ readonly type: "funnel"; readonly x: number; readonly y: number; readonly w: number } & {
      readonly from: number;
      readonly to: number;
    } & Labelled)
  | { readonly type: "arrow"; readonly points: readonly Point[]; readonly tone?: Tone; readonly label?: string }
  | { readonly type: "sign"; readonly x: number; readonly y: number; readonly sign: string; readonly tone?: Tone }
  /** Values from -1 to 1 as bars on a line in the middle, or from 0 to 1 on the ground. */
  | ({ readonly type: "bars"; readonly x: number; readonly y: number; readonly w: number; readonly h: number } & {
      readonly values: readonly number[];
      readonly tones?: readonly Tone[];
      readonly tone?: Tone;
    })
  | ({ readonly type: "cells"; readonly x: number; readonly y: number; readonly size: number } & {
      readonly rows: readonly (readonly (Tone | null)[])[];
    })
  | { readonly type: "curve"; readonly points: readonly Point[]; readonly tone?: Tone }
  | { readonly type: "dot"; readonly x: number; readonly y: number; readonly r: number; readonly tone?: Tone }
  | ({ readonly type: "text"; readonly x: number; readonly y: number; readonly text: string } & {
      readonly anchor?: "start" | "middle" | "end";
      readonly tone?: Tone;
      readonly strong?: boolean;
    });

interface Labelled {
  /** Lines are parted by line ends. */
  readonly label?: string;
  readonly sub?: string;
  readonly tone?: Tone;
}

/** A drawing with what it says in words. */
export interface Scene {
  readonly height: number;
  readonly shapes: readonly Shape[];
}

export const WIDTH = 720;

export const box = (x: number, y: number, w: number, h: number, label = "", tone: Tone = "plain", sub = ""): Shape => ({
  ...({ type: "box", x, y, w, h, label, tone } as const),
  ...(sub && { sub }),
});

export const funnel = (
  [x, y]: Point,
  w: number,
  [from, to]: readonly [number, number],
  label = "",
  tone: Tone = "plain",
  sub = "",
): Shape => ({ type: "funnel", x, y, w, from, to, label, tone, ...(sub && { sub }) });

export const arrow = (points: readonly Point[], label = "", tone: Tone = "plain"): Shape => ({
  ...{ type: "arrow", points, tone },
  ...(label && { label }),
});

/** An arrow at the height `y` from `from` to `to` across, as between the parts of a chain. */
export const straight = (y: number, from: number, to: number, label = "", tone: Tone = "plain"): Shape =>
  arrow(
    [
      [from, y],
      [to, y],
    ],
    label,
    tone,
  );

export const sign = (x: number, y: number, mark: string, tone: Tone = "plain"): Shape => ({
  ...{ type: "sign", x, y, sign: mark, tone },
});

export const text = (
  x: number,
  y: number,
  words: string,
  options: { anchor?: "start" | "middle" | "end"; tone?: Tone; strong?: boolean } = {},
): Shape => ({ type: "text", x, y, text: words, ...options });

export const bars = (
  [x, y]: Point,
  [w, h]: readonly [number, number],
  values: readonly number[],
  tone: Tone | readonly Tone[] = "plain",
): Shape => ({ type: "bars", x, y, w, h, values, ...(typeof tone === "string" ? { tone } : { tones: tone }) });

export const cells = (x: number, y: number, size: number, rows: readonly (readonly (Tone | null)[])[]): Shape => ({
  ...{ type: "cells", x, y, size, rows },
});

/** A function drawn from left to right in a box; values from -1 to 1. */
export const curve = (
  [x, y]: Point,
  [w, h]: readonly [number, number],
  f: (at: number) => number,
  tone: Tone = "accent",
): Shape => ({
  ...{ type: "curve", tone },
  points: Array.from({ length: 61 }, (_, i) => [x + (w * i) / 60, y + h / 2 - (h / 2) * f(i / 60)] as const),
});
