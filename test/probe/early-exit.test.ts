import { describe, expect, it } from "vitest";
import {
  chooseConfidence,
  exitByClusters,
  exitByConfidence,
  type PredictionTrace,
  scoreExit,
} from "../../src/probe/index.ts";

const trace = (tops: number[], confidence: number[], ...clusters: number[][]): PredictionTrace => ({
  tops,
  confidence,
  clusters,
});
const early = trace([4, 4, 4], [0.9, 0.9, 0.9], [1, 2, 3], [7, 7, 7], [0, 0, 0]);
const middle = trace([1, 4, 4], [0.3, 0.8, 0.9], [5, 5, 3], [1, 2, 3], [0, 0, 0]);
const late = trace([1, 2, 4], [0.6, 0.2, 0.4], [9, 9, 9], [8, 2, 8], [0, 0, 0]);

describe("exitByConfidence", () => {
  it("takes the first layer that is sure enough", () => {
    expect([early, middle, late].map(exitByConfidence(0.8))).toEqual([0, 1, 2]);
    expect([early, middle, late].map(exitByConfidence(0.5))).toEqual([0, 1, 0]);
    expect([early, middle, late].map(exitByConfidence(2))).toEqual([2, 2, 2]);
  });
  it("is judged by what it leaves as it is and what it saves", () => {
    expect(scoreExit(exitByConfidence(0.8), [early, middle, late])).toEqual({ agreement: 1, saved: 1 });
    expect(scoreExit(exitByConfidence(0.5), [early, middle, late])).toEqual({ agreement: 2 / 3, saved: 5 / 3 });
  });
  it("is chosen on training traces for an agreement", () => {
    expect(chooseConfidence([early, middle, late], 1)).toBe(0.61);
    expect(chooseConfidence([early, middle, late], 0.6)).toBe(0.31);
    expect(chooseConfidence([trace([1, 2], [1.5, 1.5], [1], [1])], 1)).toBe(2);
  });
});

describe("exitByClusters", () => {
  const rule = exitByClusters([early, middle, late]);
  const tops = [0, 0, 0];
  it("takes the layer whose training examples look most alike, place by place", () => {
    expect(rule(trace(tops, tops, [1, 2, 9], [0, 0, 0], [0, 0, 0]))).toBe(0);
    // Third place alone is shared with both early and middle: not above, so not layer 0.
    expect(rule(trace(tops, tops, [0, 0, 3], [1, 2, 0], [0, 0, 0]))).toBe(1);
    expect(rule(trace(tops, tops, [9, 9, 9], [8, 2, 8], [0, 0, 0]))).toBe(2);
  });
  it("never takes a layer at which no training example settles, and does without later examples", () => {
    const only = exitByClusters([late]);
    expect(only(late)).toBe(2);
    const first = exitByClusters([early]);
    // Nothing settles later, so there is nothing to look like instead.
    expect(first(late)).toBe(0);
  });
});
