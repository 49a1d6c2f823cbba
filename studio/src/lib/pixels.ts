/** Pixels of report pictures as colours of a canvas. */
import { MAP } from "../../../src/report/sphere-map.ts";

const STOPS = [
  [33, 82, 152],
  [103, 160, 208],
  [246, 246, 244],
  [231, 139, 96],
  [165, 32, 38],
] as const;

/** The colour of a pixel in a map: transparent, grey for lines, then from blue over white to red. */
function mapColor(pixel: number): readonly [number, number, number, number] {
  if (pixel < MAP.first) return pixel === MAP.line ? [128, 128, 128, 255] : [0, 0, 0, 0];
  const at = ((pixel - MAP.first) / (255 - MAP.first)) * (STOPS.length - 1);
  const from = Math.min(Math.floor(at), STOPS.length - 2);
  const mix = (c: 0 | 1 | 2) => {
    const [a, b] = [STOPS[from]?.[c] ?? 0, STOPS[from + 1]?.[c] ?? 0];
    return Math.round(a + (at - from) * (b - a));
  };
  return [mix(0), mix(1), mix(2), 255];
}

/** Draws pixels, row by row as base64, on a canvas of their size. */
export function drawPixels(canvas: HTMLCanvasElement, base64: string, colors: "grey" | "map"): void {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const context = canvas.getContext("2d");
  if (!context || bytes.length !== canvas.width * canvas.height) return;
  const image = context.createImageData(canvas.width, canvas.height);
  for (const [i, byte] of bytes.entries())
    image.data.set(colors === "map" ? mapColor(byte) : [byte, byte, byte, 255], 4 * i);
  context.putImageData(image, 0, 0);
}
