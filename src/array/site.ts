/** Where in a program the nodes of a graph come from. Recorded only while a profile is taken, since it takes time. */

/** A function on the way to where a node was made. */
export interface Frame {
  /** The function's name; empty where it has none. */
  readonly name: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** Where a node was made. */
export interface Site {
  /** Who made it, the outermost function first; this package's array language is left out. */
  frames(): readonly Frame[];
  /** Whether the node is part of a gradient; the frames are then those of what was differentiated. */
  readonly gradient: boolean;
}

/** A training step calls a model, which calls blocks, which call layers: more functions than an error names by itself. */
const DEPTH = 100;

let recorders = 0;
let inherited: Site | undefined;

/** Begins to record sites; the result ends it. */
export function recordSites(): () => void {
  recorders++;
  return () => {
    recorders--;
  };
}

/** The site of a node that is made now; undefined unless sites are recorded. */
export const currentSite = (): Site | undefined => (recorders > 0 ? (inherited ?? capturedSite()) : undefined);

/** Runs `fn`; nodes that it makes in place of others have their site, if they have one. */
export function atSite<R>(site: Site | undefined, fn: () => R): R {
  if (!site) return fn();
  const outer = inherited;
  inherited = site;
  try {
    return fn();
  } finally {
    inherited = outer;
  }
}

/** The site of what belongs to the gradient of a node. */
export const gradientSite = (site: Site | undefined): Site | undefined =>
  site && { frames: site.frames, gradient: true };

function capturedSite(): Site {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEPTH;
  const error = new Error();
  Error.stackTraceLimit = limit;
  let known: readonly Frame[] | undefined;
  // The text of a stack is made when it is asked for, which most nodes never are.
  return {
    frames: () => {
      known ??= framesOf(error.stack ?? "");
      return known;
    },
    gradient: false,
  };
}

/** The folder of the array language, whose functions stand between a program and every node. */
// Not `new URL(".", …)`: bundlers take that for a file of the page.
const OWN = import.meta.url.slice(0, import.meta.url.lastIndexOf("/") + 1);

/** The frames of a stack in V8's form. */
export function framesOf(stack: string): readonly Frame[] {
  const all = stack.split("\n").flatMap((line): Frame[] => {
    const [, name = "", file, row] =
      /^\s+at (?:async )?(?:(.*?) \()?((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:\\).*?):(\d+):\d+\)?$/.exec(line) ?? [];
    if (file === undefined) return [];
    const plain = name.replace(/ \[as [^\]]*\]$/, "").replace(/^(Object|Module|Array|Map|Promise)\./, "");
    return [{ name: plain === "<anonymous>" ? "" : plain, file: asUrl(file), line: Number(row) }];
  });
  return all.filter(({ file }) => !file.startsWith(OWN) && !file.includes("/node_modules/")).reverse();
}

/** Modules are named by path when their sources are mapped, by address otherwise. */
const asUrl = (file: string): string => (/^[a-z]+:\/\//.test(file) ? file : `file://${file.replaceAll("\\", "/")}`);
