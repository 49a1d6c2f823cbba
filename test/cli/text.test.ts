import { describe, expect, it } from "vitest";
import { columns, wrap } from "../../src/cli/text.ts";

const rows = [
  ["claim", "published", "verdict"],
  ["codebook entries used at the largest codebook", "99 %", "holds"],
  ["error", "1x", "fails"],
];

describe("columns", () => {
  it("aligns without spaces at the end of lines", () => {
    expect(columns(rows, { align: ["left", "right"] })).toBe(
      [
        "claim                                          published  verdict",
        "codebook entries used at the largest codebook       99 %  holds",
        "error                                                 1x  fails",
      ].join("\n"),
    );
  });

  it("breaks the wrapped column so that rows fit, and keeps the others whole", () => {
    const text = columns(rows, { align: ["left", "right"], wrapped: 0, width: 40 });
    expect(text).toBe(
      [
        "claim                 published  verdict",
        "codebook entries           99 %  holds",
        "used at the largest",
        "codebook",
        "error                        1x  fails",
      ].join("\n"),
    );
  });

  it("cuts rows where no column is wrapped", () => {
    expect(
      columns(rows, { width: 20 })
        .split("\n")
        .map((line) => line.length),
    ).toEqual([20, 20, 20]);
    expect(columns([["short"]], { width: 20 })).toBe("short");
  });
});

describe("wrap", () => {
  it("breaks between words, and leaves long words whole", () => {
    expect(wrap("a bb ccc dddddddd e", 5)).toBe("a bb\nccc\ndddddddd\ne");
    expect(wrap("", 5)).toBe("");
  });
});
