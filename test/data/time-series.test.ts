import { describe, expect, it } from "vitest";
import { loadTimeSeries, parseSeriesTable, timeSeriesAvailable } from "../../src/data/index.ts";

describe("time series", () => {
  it("reads a table", () => {
    const { times, variables, values } = parseSeriesTable(
      "date,a,b\r\n2016-07-01,1.5,-2\r\n2016-07-02,0,3e1\r\n",
      "t.csv",
    );
    expect([times, variables, Array.from(values)]).toEqual([
      ["2016-07-01", "2016-07-02"],
      ["a", "b"],
      [1.5, -2, 0, 30],
    ]);
  });
  it.each(["date,a,b\n1,2", "date,a\n1,x", "date,a\n1,", "date,a\n1,2,3"])(
    "names the line of what is no number: %j",
    (text) => {
      expect(() => parseSeriesTable(text, "t.csv")).toThrow(
        /t\.csv: expected a time and \d numbers in line 2, got "1,?/,
      );
    },
  );
  it("reads ETTh1 where it is", async ({ skip }) => {
    const state = timeSeriesAvailable("etth1");
    if (!state.ok) return skip(state.reason);
    const { times, variables, values } = await loadTimeSeries("etth1");
    expect(variables).toEqual(["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]);
    expect(times).toHaveLength(17_420);
    expect(values[6]).toBeCloseTo(30.531, 4);
  });
});
