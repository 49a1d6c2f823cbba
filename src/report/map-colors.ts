/** Colours of the pixels of a `map`. */
import { MAP } from "./sphere-map.ts";

/** From the least value of a map over 0 to the greatest, in red, green and blue: told apart in grey by the lines of the map. */
export const MAP_STOPS = [
  [33, 82, 152],
  [103, 160, 208],
  [246, 246, 244],
  [231, 139, 96],
  [165, 32, 38],
] as const;

/** Red, green, blue and opacity, each up to 255: transparent, grey for lines, then the stops with what lies between them. */
export function mapColor(pixel: number): readonly [red: number, green: number, blue: number, opacity: number] {
  if (pixel < MAP.first) return pixel === MAP.line ? [128, 128, 128, 255] : [0, 0, 0, 0];
  const at = ((pixel - MAP.first) / (255 - MAP.first)) * (MAP_STOPS.length - 1);
  const from = Math.min(Math.floor(at), MAP_STOPS.length - 2);
  const mix = (c: 0 | 1 | 2): number => {
    const [a, b] = [MAP_STOPS[from]?.[c] as number, MAP_STOPS[from + 1]?.[c] as number];
    return Math.round(a + (at - from) * (b - a));
  };
  return [mix(0), mix(1), mix(2), 255];
}
