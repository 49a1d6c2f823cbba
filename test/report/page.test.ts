import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import type { BarPlot, Figure, Study, StudyResult } from "../../src/report/index.ts";
import { renderPage } from "../../src/report/page.ts";

const study: Study = {
  number: 30,
  slug: "sample",
  title: "Codes & <Grids>",
  year: 2023,
  source: "Somebody et al.",
  abstract: 'It says "yes".',
  seeds: { smoke: 1, small: 3, full: 3 },
  claims: {},
  run: async () => ({}),
};

const result: StudyResult = {
  paper: study,
  scale: "small",
  seeds: [0, 1, 2],
  device: "cpu",
  evidence: true,
  machine: {
    cpu: "A <CPU>",
    cores: 2,
    memoryGiB: 24,
    system: "linux",
    node: "v20",
    onnxruntime: "1.30",
    fourward: "0.1",
  },
  started: "2026-01-01T00:00:00.000Z",
  seconds: 125,
  command: "fourward run sample --scale small",
  claims: [
    {
      id: "usage",
      text: "entries used",
      published: 99,
      unit: "%",
      direction: "atLeast",
      tolerance: 1,
      where: "figure 3",
      measured: 99.3,
      spread: { std: 0.1, low: 99.05, high: 99.55, seeds: 3, exact: false },
      verdict: "holds",
      note: "at 2^12",
    },
  ],
  measurements: {},
  notes: ["One run of <three> was left out."],
  artifacts: [],
};

const lines: Figure = {
  kind: "lines",
  title: "Usage",
  caption: "Whiskers: one standard deviation.",
  x: { label: "codebook size", log: true },
  y: { label: "used (%)" },
  series: [
    { name: "FSQ", points: [16, 64, 256].map((x) => ({ x, y: 99, low: 98, high: 100 })) },
    { name: "VQ", points: [16, 64, 256].map((x) => ({ x, y: 99 - x / 8 })) },
  ],
  reference: { y: 99, label: "published" },
};

const bars: BarPlot = {
  kind: "bars",
  title: "Accuracy",
  y: { label: "%" },
  bars: ["narrow", "wide"].flatMap((group) => [
    { group, series: "dense", y: 97, low: 96, high: 98 },
    { group, series: "tree", y: 95 },
  ]),
};

const page = (figures: readonly Figure[] = [], change: Partial<StudyResult> = {}) => {
  const html = renderPage({ study, result: { ...result, ...change }, figures });
  return { html, document: parseHTML(html).document };
};
const texts = (nodes: Iterable<{ textContent: string | null }>) => [...nodes].map((node) => node.textContent);

describe("renderPage", () => {
  it("needs nothing from outside: no script, no link, no address but names of XML", () => {
    const { html } = page([lines, bars]);
    expect(html).not.toMatch(/<script|<link|@import|url\(|src="(?!data:)/);
    expect(
      html.replaceAll("http://www.w3.org/2000/svg", "").replaceAll("http://www.w3.org/1999/xlink", ""),
    ).not.toMatch(/https?:/);
  });

  it("shows facts and each claim beside its measurement", () => {
    const { document } = page();
    expect(document.querySelector("h1")?.textContent).toBe("Codes & <Grids>");
    const [claim] = document.querySelectorAll(".claims tbody tr");
    expect(texts(claim?.children ?? []).map((text) => text?.replace(/\s+/g, " ").trim())).toEqual([
      "entries usedfigure 3. at 2^12",
      "≥ 99 % (± 1)",
      "99.30 ± 0.10 %95 %: 99.05 to 99.55",
      "✓ holds",
    ]);
    const text = document.body.textContent ?? "";
    for (const part of [
      "A <CPU>",
      "2 min 5 s",
      "fourward run sample --scale small",
      "One run of <three> was left out.",
    ])
      expect(text).toContain(part);
    expect(text).not.toContain("no evidence");
  });

  it("says at smoke scale that verdicts are no evidence", () => {
    const { document } = page([], { scale: "smoke", evidence: false });
    expect(document.querySelector(".warning")?.textContent).toContain("no evidence");
    expect(texts(document.querySelectorAll(".claims thead th"))).toContain("Mechanism only");
  });

  it("draws a line, points and whiskers for each series, and labels the values of a logarithmic axis", () => {
    const { document } = page([lines]);
    const [svg] = document.querySelectorAll("svg");
    expect(svg?.querySelectorAll("g[aria-label=line] path").length).toBe(2);
    expect(svg?.querySelectorAll("g[aria-label=dot] circle").length).toBe(6);
    const rules = [...(svg?.querySelectorAll("g[aria-label=rule]") ?? [])].map(
      (g) => g.querySelectorAll("line").length,
    );
    expect(rules).toEqual([1, 3]);
    expect(texts(svg?.querySelectorAll("g[aria-label='x-axis tick label'] text") ?? [])).toEqual(["16", "64", "256"]);
    expect(texts(document.querySelectorAll(".legend li"))).toEqual(["FSQ", "VQ", "published"]);
    expect(svg?.outerHTML).not.toContain("NaN");
  });

  it("places the points of a logarithmic axis at equal steps", () => {
    const { document } = page([lines]);
    const at = [...document.querySelectorAll("g[aria-label=dot] circle")]
      .slice(0, 3)
      .map((c) => Number(c.getAttribute("cx")));
    const [a, b, c] = at as [number, number, number];
    expect(b - a).toBeCloseTo(c - b, 6);
    expect(b - a).toBeGreaterThan(100);
  });

  it("draws bars from zero", () => {
    const { document } = page([bars]);
    const rects = [...document.querySelectorAll("g[aria-label=bar] rect")];
    expect(rects.length).toBe(4);
    const bottoms = rects.map((rect) => Number(rect.getAttribute("y")) + Number(rect.getAttribute("height")));
    expect(new Set(bottoms.map((y) => y.toFixed(3))).size).toBe(1);
    expect(texts(document.querySelectorAll(".legend li"))).toEqual(["dense", "tree"]);
  });

  it("draws tables and pictures", () => {
    const { document } = page([
      {
        kind: "table",
        title: "Sizes",
        columns: ["model", "parameters"],
        rows: [
          ["a <b>", 101770],
          ["c", 0.123456],
        ],
      },
      {
        kind: "pictures",
        title: "Reconstructions",
        width: 2,
        height: 1,
        rows: [
          { label: "in", pictures: [Uint8Array.of(0, 255), Uint8Array.of(255, 0)] },
          { label: "out", pictures: [Uint8Array.of(0, 255)] },
        ],
      },
    ]);
    expect(texts(document.querySelectorAll("section:nth-of-type(2) td"))).toEqual(["a <b>", "101,770", "c", "0.1235"]);
    const images = [...document.querySelectorAll(".pictures img")];
    expect(images.map((img) => img.getAttribute("alt"))).toEqual(["in", "in", "out"]);
    for (const img of images) expect(img.getAttribute("src")).toMatch(/^data:image\/png;base64,iVBORw0KGgo/);
    expect(document.querySelector(".pictures")?.getAttribute("style")).toContain("--columns:2");
  });

  it("draws maps in colours, with what their columns and colours mean", () => {
    const { document } = page([
      {
        kind: "pictures",
        title: "Maps",
        width: 40,
        height: 20,
        colors: "map",
        columns: ["truth", "error"],
        scales: [{ label: "1/day", low: -2.5, high: 2.5 }],
        rows: [{ label: "one", pictures: [new Uint8Array(800), new Uint8Array(800)] }],
      },
    ]);
    const [, heads] = document.querySelectorAll(".pictures > div");
    expect(texts(heads?.children ?? [])).toEqual(["truth", "error"]);
    expect(document.querySelector(".pictures")?.getAttribute("style")).toContain("--columns:2;--size:40px");
    expect(texts(document.querySelectorAll(".scales li"))).toEqual(["1/day -2.52.5"]);
    const source = document.querySelector(".pictures img")?.getAttribute("src") as string;
    const file = Buffer.from(source.slice("data:image/png;base64,".length), "base64");
    const at = file.indexOf("PLTE") + 4;
    const color = (i: number) => [...file.subarray(at + 3 * i, at + 3 * i + 3)];
    expect(color(2)[2]).toBeGreaterThan(100 + (color(2)[0] as number));
    expect(Math.min(...color(128))).toBeGreaterThan(230);
    expect(color(255)[0]).toBeGreaterThan(100 + (color(255)[2] as number));
  });

  it("gives a series one colour in all figures", () => {
    const { document } = page([lines, { ...bars, bars: bars.bars.map((bar) => ({ ...bar, series: "VQ" })) }]);
    const line = [...document.querySelectorAll("g[aria-label=line] path")][1]?.getAttribute("stroke");
    expect(line).toMatch(/^#[0-9a-f]{6}$/);
    expect(document.querySelector("g[aria-label=bar] rect")?.getAttribute("fill")).toBe(line);
    const swatches = [...document.querySelectorAll(".swatch")].map((swatch) => swatch.getAttribute("style"));
    expect(swatches).toEqual([expect.not.stringContaining(line as string), `background:${line}`, `background:${line}`]);
  });

  it("aligns numbers in tables, also those with their spread, and lets many columns be wide", () => {
    const row = ["FFF + balance", "59.45 ± 8.24", "≥ 90 %", "2 x 2^3", "a sentence that is longer than a short one", 5];
    const table = { kind: "table", title: "All", columns: row.map(String), rows: [row] } as const;
    const classes = [...page([table]).document.querySelectorAll("section:nth-of-type(2) td")].map((td) => td.className);
    expect(classes).toEqual(["short", "number", "number", "short", "", "number"]);
    expect(page([table]).document.querySelector(".wide")).toBeNull();
    const wide = { ...table, columns: [...table.columns, "more"] };
    expect(page([wide]).document.querySelector(".wide")).not.toBeNull();
  });

  it("stands a figure without data", () => {
    const { document } = page([
      { ...lines, series: [] },
      { kind: "table", title: "None", columns: ["a"], rows: [] },
      { kind: "pictures", title: "None", width: 1, height: 1, rows: [] },
    ]);
    expect(document.querySelectorAll("section").length).toBe(4);
  });
});
