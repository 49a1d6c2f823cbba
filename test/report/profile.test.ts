import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import type { Profile, ProfileEntry } from "../../src/array/index.ts";
import {
  byLine,
  byPrimitive,
  type FlameNode,
  profileFlame,
  profileTable,
  renderSections,
} from "../../src/report/index.ts";

const at = (name: string, line: number) => ({ name, file: `file://${process.cwd()}/src/${name}.ts`, line });
const entry = (primitive: string, seconds: number, more: Partial<ProfileEntry> = {}): ProfileEntry => ({
  primitive,
  gradient: false,
  frames: [at("model", 3), at("linear", 40)],
  seconds,
  calls: 2,
  bytes: 4e8,
  operations: 0,
  ...more,
});

const profile: Profile = {
  entries: [
    entry("matmul", 0.4, { operations: 2e10 }),
    entry("matmul", 0.2, { gradient: true }),
    entry("tanh", 0.1, { frames: [at("model", 5)] }),
    entry("(Cast)", 0.05, { frames: [] }),
  ],
  seconds: 1,
  runs: 2,
  recorded: 1,
};

const names = ({ name, parts }: FlameNode): readonly string[] => [name, ...parts.flatMap(names)];

describe("profiles", () => {
  it("are summed by primitive and by line, and what lies between operators is the rest", () => {
    const rows = byPrimitive(profile).map(({ name, seconds }) => [name, Number(seconds.toFixed(6))]);
    expect(rows).toEqual([
      ["matmul", 0.6],
      ["between operators", 0.25],
      ["tanh", 0.1],
      ["(Cast)", 0.05],
    ]);
    expect(byLine(profile).map(({ name }) => name)).toEqual([
      "linear src/linear.ts:40",
      "between operators",
      "model src/model.ts:5",
      "(the runtime)",
    ]);
    expect(byPrimitive(profile)[0]?.gradientSeconds).toBeCloseTo(0.2, 12);
  });

  it("show shares and rates, and many rows as one", () => {
    const { rows } = profileTable("", "primitive", byPrimitive(profile));
    expect(rows[0]).toEqual(["matmul", "600.0", "60.0", "33.3", "4", "33.3", "1.3"]);
    const many = Array.from({ length: 30 }, (_, i) => entry(`p${i}`, 0.01));
    const table = profileTable("", "primitive", byPrimitive({ ...profile, entries: many, seconds: 0.3 }));
    expect(table.rows).toHaveLength(21);
    expect(table.rows.at(-1)?.slice(0, 2)).toEqual(["11 others", "100.0"]);
  });

  it("are a tree of functions whose amounts add up, drawn with widths in proportion", () => {
    const flame = profileFlame(profile);
    expect(flame.root.amount).toBeCloseTo(1000, 9);
    expect(names(flame.root)).toEqual([
      "all runs",
      "model",
      "linear",
      "matmul",
      "matmul",
      "model",
      "tanh",
      "(Cast)",
      "between operators",
    ]);
    const page = renderSections({
      kicker: "Profile",
      title: "t",
      text: "",
      sections: [{ title: "s", text: "", figures: [flame] }],
      facts: [],
      device: "cpu",
    });
    const { document } = parseHTML(page);
    const width = (title: string) =>
      [...document.querySelectorAll("svg.flame g")]
        .filter((g) => g.querySelector("title")?.textContent?.startsWith(title))
        .map((g) => Number(g.querySelector("rect")?.getAttribute("width")));
    expect((width("linear")[0] as number) / (width("all runs")[0] as number)).toBeCloseTo(0.6, 2);
    expect(document.querySelector(".legend")?.textContent).toBe("forwardgradientsthe runtime");
  });
});
