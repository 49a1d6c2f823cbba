/** Pictures of a report as data; `page.ts` draws them. */

/** One point of a series; `low` and `high` bound its spread. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** Lines with points, one colour for each series. */
export interface LinePlot {
  readonly kind: "lines";
  readonly title: string;
  readonly caption?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly { readonly name: string; readonly points: readonly Point[] }[];
  /** A published figure drawn as a rule. */
  readonly reference?: { readonly y: number; readonly label: string };
}

export interface Axis {
  readonly label: string;
  /** Logarithmic; linear by default. */
  readonly log?: boolean;
}

/** Bars side by side, with a whisker for the spread. */
export interface BarPlot {
  readonly kind: "bars";
  readonly title: string;
  readonly caption?: string;
  readonly y: Axis;
  readonly bars: readonly {
    readonly group: string;
    readonly series: string;
    readonly y: number;
    readonly low?: number;
    readonly high?: number;
  }[];
}

/** Rows of text and numbers. */
export interface Table {
  readonly kind: "table";
  readonly title: string;
  readonly caption?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** Rows of pictures of one size. */
export interface PictureGrid {
  readonly kind: "pictures";
  readonly title: string;
  readonly caption?: string;
  readonly width: number;
  readonly height: number;
  /**
   * `grey` by default. `map` is for signed values: 0 is transparent, 1 a line, and 2 to 255 go from blue over white to red;
   * see `sphereMap`.
   */
  readonly colors?: "grey" | "map";
  /** What stands in each column; nothing by default. */
  readonly columns?: readonly string[];
  /** What the first and the last colour mean, for each kind of picture; nothing by default. */
  readonly scales?: readonly { readonly label: string; readonly low: number; readonly high: number }[];
  readonly rows: readonly {
    readonly label: string;
    /** Pixels row by row, in grey from 0 (black) to 255 (white). */
    readonly pictures: readonly Uint8Array[];
  }[];
}

/** A part of an amount, and its own parts. */
export interface FlameNode {
  readonly name: string;
  /** In the unit of the figure, its parts included. */
  readonly amount: number;
  readonly parts: readonly FlameNode[];
  /** The series whose colour it has; without one it only groups its parts. */
  readonly series?: string;
  /** What is shown where the pointer rests, beside name and amount. */
  readonly detail?: string;
}

/** A tree of amounts: rows of bars, each as wide as its share and below what it is a part of. */
export interface Flame {
  readonly kind: "flame";
  readonly title: string;
  readonly caption?: string;
  readonly unit: string;
  readonly root: FlameNode;
}

export type Figure = LinePlot | BarPlot | Table | PictureGrid | Flame;
