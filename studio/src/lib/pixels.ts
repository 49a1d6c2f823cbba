/** Pixels of report pictures as colours of a canvas. */
import { mapColor } from "../../../src/report/map-colors.ts";

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
