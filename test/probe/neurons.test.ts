import { describe, expect, it } from "vitest";
import { evaluate, key, type Tensor, tensor } from "../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, ffnPlaces } from "../../src/models/index.ts";
import {
  countActivity,
  deadNeurons,
  favouredTokens,
  frequencies,
  informationBias,
  ngramDetectors,
  percentilesIn,
  positionalInformation,
  positionalKind,
  positionFrequencies,
  ruleOfThree,
  tokenDetectors,
  triggerSuppression,
} from "../../src/probe/index.ts";
import { exciseNeurons, recordFfnInputs } from "../../src/surgery/index.ts";
import { tokenFile } from "../temporary.ts";

/** Tokens are directions 0 to 11 of the stream, halves of the window direction 12. */
const [vocabulary, width, context, hidden] = [12, 16, 8, 6];
const config: DecoderConfig = {
  ...{ vocabulary, width, context },
  positions: "learned",
  blocks: [[{ ffn: { kind: "dense", hidden, activation: "relu" } }]],
};
const model = decoder(config);
const place = ffnPlaces(model.config);
const matrix = (rows: number, columns: number, at: (row: number, column: number) => number): Tensor =>
  tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns)),
    { shape: [rows, columns] },
  );
const DETECTOR = 0;
const DEAD = 1;
const POSITIONAL = 2;
/** Direction that a unit reads, and its bias; after the norm a token's own direction has about 2.7. */
const units: readonly (readonly [directions: readonly number[], bias: number])[] = [
  [[3], -1],
  [[5], -1e6],
  [[12], 0],
  [[0, 1, 2, 3, 4, 5], -1],
  [[], 1],
  [[6, 7], -1],
];
const fresh = await evaluate(model.init(key(0)));
const params: DecoderParams = {
  ...fresh,
  embedding: { weight: matrix(vocabulary, width, (token, d) => (d === token ? 10 : 0)) },
  positions: { weight: matrix(context, width, (p, d) => (d === 12 ? (p < 4 ? -5 : 5) : 0)) },
  blocks: [
    {
      ffn: {
        ...fresh.blocks[0]?.ffn,
        layer: {
          up: {
            weight: matrix(width, hidden, (d, unit) => Number(units[unit]?.[0].includes(d))),
            bias: tensor(Float32Array.from(units, ([, bias]) => bias)),
          },
          // The detector removes its token, the others write elsewhere.
          down: {
            weight: matrix(hidden, width, (unit, d) => (unit === DETECTOR ? -Number(d === 3) : Number(d === unit + 6))),
            bias: tensor(new Float32Array(width)),
          },
        },
      },
    },
  ],
};
// Token 3 comes after 7 or after 2, never after another one.
const pattern = [7, 3, 0, 5, 2, 3, 1, 4, 6, 8, 9, 10, 11, 7, 3, 11, 10];
const all = Int32Array.from({ length: 2001 }, (_, i) => pattern[i % pattern.length] as number);
const text = await tokenFile(vocabulary, all);
const [activity] = await countActivity(model, params, text, place);
if (!activity) throw new Error("no layer");

describe("planted units", () => {
  it("are recovered, and no other is taken for one", () => {
    expect(activity.tokens).toBe(2000);
    expect(deadNeurons(activity)).toEqual([DEAD]);
    const positional = Array.from({ length: hidden }, (_, unit) => positionFrequencies(activity, unit));
    expect(positional.map((f) => positionalInformation(f) > 0.05)).toEqual(
      [0, 1, 2, 3, 4, 5].map((u) => u === POSITIONAL),
    );
    expect(positionalKind(positional[POSITIONAL] as Float64Array)).toBe("range");
    // On at 4 of the 7 positions from 1 on.
    const q = 4 / 7;
    const entropy = -q * Math.log(q) - (1 - q) * Math.log(1 - q);
    expect(positionalInformation(positional[POSITIONAL] as Float64Array)).toBeCloseTo(entropy, 9);
    expect(tokenDetectors(activity, { most: 1 }).map(({ unit, triggers }) => [unit, triggers])).toEqual([
      [DETECTOR, [[3]]],
    ]);
    expect(tokenDetectors(activity, { most: 2 }).map(({ unit, triggers }) => [unit, triggers])).toEqual([
      [DETECTOR, [[3]]],
      [5, [[7], [6]]],
    ]);
    expect(frequencies(activity)[4]).toBe(1);
  });

  it("are counted the same whatever the batch", async () => {
    const [again] = await countActivity(model, params, text, place, { batch: 3 });
    expect(again).toEqual(activity);
  });

  it("are explained by sequences as they occur", async () => {
    const candidates = [{ place: activity.place, units: [DETECTOR] }];
    const triggersOf = async (length: number) =>
      (await ngramDetectors(model, params, text, candidates, { length }))[0]?.[0]?.triggers;
    expect(await triggersOf(2)).toEqual([
      [7, 3],
      [2, 3],
    ]);
    expect(new Set((await triggersOf(3))?.map((t) => t.join()))).toEqual(new Set(["10,7,3", "11,7,3", "5,2,3"]));
  });

  it("show in their value vectors that they remove the token", () => {
    const logits = new Float32Array(hidden * vocabulary);
    for (let unit = 0; unit < hidden; unit++) logits[unit * vocabulary + 3] = unit === DETECTOR ? -1 : 0.5;
    const { own, control } = triggerSuppression(logits, vocabulary, tokenDetectors(activity, { most: 1 }));
    expect(own).toEqual([0]);
    // Five of the six units rank it highest; with so few, the detector itself is among them.
    expect(control).toEqual([500 / 6]);
  });

  it("favour the tokens for which they are active most often", () => {
    const favoured = favouredTokens(activity, { count: 2, least: 1 });
    expect(favoured.find(({ unit }) => unit === 5)?.triggers).toEqual([[6], [7]]);
    expect(favoured.find(({ unit }) => unit === DETECTOR)).toMatchObject({ triggers: [[3]], covered: 1 });
    expect(favoured.find(({ unit }) => unit === DEAD)).toBeUndefined();
  });

  it("need a threshold where units are never off", async () => {
    const gelu = decoder({ ...config, blocks: [[{ ffn: { kind: "dense", hidden: 6 } }]] });
    const places = ffnPlaces(gelu.config);
    await expect(countActivity(gelu, params, text, places)).rejects.toThrow("never exactly off (kind dense, gelu)");
    const [counted] = await countActivity(gelu, params, text, places, { threshold: 0.5, tokens: 80 });
    expect(counted?.total[4]).toBe(80);
  });
});

describe("exciseNeurons", () => {
  it("takes out dead units, which changes no output on the text and saves their operations", async () => {
    const { config: after, params: less } = await exciseNeurons(
      { config, params },
      new Map([["blocks[0].ffn", [DEAD]]]),
    );
    expect(after.blocks[0]?.[0]).toMatchObject({ ffn: { hidden: hidden - 1 } });
    const smaller = decoder(after);
    const tokens = tensor(all.slice(0, 8), { shape: [1, 8] });
    const [a, b] = [await evaluate(model.apply(params, tokens)), await evaluate(smaller.apply(less, tokens))];
    const difference = Math.max(...Array.from(a.data as Float32Array, (v, i) => Math.abs(v - Number(b.data[i]))));
    expect(difference).toBeLessThan(1e-6);
    expect((await recordFfnInputs(smaller, less, text, { tokens: 8 })).length).toBe(1);
  });
});

describe("positionalInformation", () => {
  it("is ln 2 for a unit on at half of the positions, and the entropy of the share in general", () => {
    const onAt = (count: number, positions: number) =>
      Float64Array.from({ length: positions }, (_, p) => Number(p < count));
    expect(positionalInformation(onAt(64, 128))).toBeCloseTo(Math.LN2, 9);
    expect(positionalInformation(onAt(16, 128))).toBeCloseTo(0.37677016125643675, 9);
    expect(positionalInformation(new Float64Array(128).fill(0.3))).toBeCloseTo(0, 9);
  });

  it("is too high by its bias for units that do not know the position", () => {
    expect(informationBias(128, 50_000)).toBeCloseTo(0.00127, 9);
    let state = 12345;
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const [positions, each, repeats] = [32, 100, 60];
    let sum = 0;
    for (let r = 0; r < repeats; r++) {
      const frequency = Float64Array.from({ length: positions }, () => {
        let on = 0;
        for (let i = 0; i < each; i++) on += Number(random() < 0.4);
        return on / each;
      });
      sum += positionalInformation(frequency);
    }
    const bias = informationBias(positions, positions * each);
    expect(sum / repeats / bias).toBeGreaterThan(0.85);
    expect(sum / repeats / bias).toBeLessThan(1.15);
  });
});

describe("positionalKind", () => {
  const over = (f: (p: number) => number) => positionalKind(Float64Array.from({ length: 96 }, (_, p) => f(p)));
  it("tells ranges, oscillations and weak dependence apart", () => {
    expect(over((p) => (p < 30 ? 1 : 0))).toBe("range");
    expect(over((p) => (p > 30 && p < 60 ? 0.95 : 0.02))).toBe("range");
    expect(over((p) => 0.5 + 0.45 * Math.sin(p / 4))).toBe("oscillating");
    expect(over((p) => 0.2 + 0.006 * p)).toBe("weak");
  });
});

it("bounds the frequency of what was never seen", () => {
  expect(ruleOfThree(100_000)).toBe(3e-5);
  // (1 - p)^n at the bound is 5 %, to first order.
  expect((1 - ruleOfThree(1000)) ** 1000).toBeCloseTo(0.05, 2);
});

it("percentilesIn counts lower logits, ties half", () => {
  const row = Float32Array.of(3, -1, 3, 0, 7, -1, 2, 3);
  const slow = (token: number): number => {
    const own = row[token] as number;
    const others = Array.from(row).filter((_, i) => i !== token);
    return (100 * others.reduce((sum, o) => sum + (o < own ? 1 : o === own ? 0.5 : 0), 0)) / others.length;
  };
  const standing = percentilesIn(row);
  row.forEach((_, token) => {
    expect(standing([token])).toBeCloseTo(slow(token), 9);
  });
  expect(standing([0, 4])).toBeCloseTo((slow(0) + slow(4)) / 2, 9);
});
