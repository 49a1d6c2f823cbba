import { describe, expect, it } from "vitest";
import { ProgressLine } from "../../src/cli/progress.ts";

/** A progress line on a stand-in for a terminal, and a clock that is set by hand. */
function lineOn({ isTTY = false, columns = 80 } = {}) {
  const written: string[] = [];
  const clock = { now: 100 };
  const line = new ProgressLine({ isTTY, columns, write: (text) => written.push(text) }, () => clock.now);
  return { line, written, clock };
}

describe("ProgressLine", () => {
  it("prints plain lines now and then where there is no terminal", () => {
    const { line, written, clock } = lineOn();
    for (let done = 0; done <= 100; done++) {
      line.update({ stage: "training", done, total: 100, unit: "steps" });
      clock.now += 1;
    }
    line.end();
    expect(written.length).toBe(11);
    expect(written[0]).toBe("0 %  ? left  training\n");
    expect(written[5]).toBe("50 %  1.0 steps/s  50 s left  training\n");
    expect(written.at(-1)).toBe("100 %  1.0 steps/s  0.0 s left  training\n");
  });

  it("does not take for speed what an earlier run had done", () => {
    const { line, written, clock } = lineOn();
    line.update({ stage: "training", done: 900, total: 1000 });
    clock.now += 20;
    line.update({ stage: "training", done: 910, total: 1000 });
    expect(written.at(-1)).toBe("91 %  0.5/s  3 min 0 s left  training\n");
  });

  it("tells the loss of what trains, the lowest and highest of several", () => {
    const { line, written, clock } = lineOn();
    line.update({ stage: "a", done: 1, total: 4, training: { step: 3, losses: { a: 0.123456 } } });
    clock.now += 20;
    line.update({ stage: "b", done: 2, total: 4, training: { step: 3, losses: { a: 3, b: 1.5, c: 2 } } });
    expect(written).toEqual(["25 %  ? left  loss 0.1235  a\n", "50 %  3.0/min  40 s left  losses 1.5 to 3  b\n"]);
  });

  it("redraws one line on a terminal, cut at its width, and clears it at the end", () => {
    const { line, written, clock } = lineOn({ isTTY: true, columns: 50 });
    line.update({ stage: "a long name of what is being done", done: 1, total: 4 });
    line.update({ stage: "too soon", done: 2, total: 4 });
    clock.now += 60;
    line.update({ stage: "slow", done: 2, total: 4, unit: "models" });
    line.end();
    expect(written.length).toBe(3);
    for (const text of written) expect(text.startsWith("\r\u001b[2K")).toBe(true);
    expect(written[0]?.slice(5)).toBe("██████░░░░░░░░░░░░░░░░░░  25 %  ? left  a long na");
    expect(written[1]?.slice(5)).toBe("████████████░░░░░░░░░░░░  50 %  1.0 models/min  2");
    expect(written[2]).toBe("\r\u001b[2K");
  });

  it("clears nothing that it has not drawn", () => {
    const { line, written } = lineOn({ isTTY: true });
    line.end();
    expect(written).toEqual([]);
  });
});
