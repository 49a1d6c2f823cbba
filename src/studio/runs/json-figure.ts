/** Figures as JSON: pixels become base64. */
import type { Figure } from "../../report/figure.ts";
import type { JsonFigure } from "../api.ts";

/** The figure in a form that JSON keeps. */
export const toJsonFigure = (figure: Figure): JsonFigure =>
  figure.kind !== "pictures"
    ? figure
    : {
        ...figure,
        rows: figure.rows.map(({ label, pictures }) => ({
          label,
          pictures: pictures.map((pixels) => Buffer.from(pixels).toString("base64")),
        })),
      };

/** What `toJsonFigure` was given. */
export const fromJsonFigure = (figure: JsonFigure): Figure =>
  figure.kind !== "pictures"
    ? figure
    : {
        ...figure,
        rows: figure.rows.map(({ label, pictures }) => ({
          label,
          pictures: pictures.map((text) => Uint8Array.from(Buffer.from(text, "base64"))),
        })),
      };
