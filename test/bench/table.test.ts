import { expect, test } from "vitest";
import { digits, table, times } from "../../bench/table.ts";

test("columns of numbers stand at the right, others at the left", () => {
  expect(
    table(
      ["peer", "ms"],
      [
        ["torch", "6.85"],
        ["a longer name", "317"],
      ],
    ).split("\n"),
  ).toEqual([
    "| peer          |   ms |",
    "| ------------- | ---: |",
    "| torch         | 6.85 |",
    "| a longer name |  317 |",
  ]);
});

test("a row of another length is refused", () => {
  expect(() => table(["a", "b"], [["1"]])).toThrow("expected 2 cells in a row, got 1");
});

test("three significant digits at any size", () => {
  expect([0, 0.04312, 0.5, 6.854, 31.66, 317.2, 12_345].map(digits)).toEqual([
    "0",
    "0.0431",
    "0.500",
    "6.85",
    "31.7",
    "317",
    "12345",
  ]);
  expect(digits(Number.NaN)).toBe("NaN");
  expect(times(1.0412)).toBe("1.04x");
});
