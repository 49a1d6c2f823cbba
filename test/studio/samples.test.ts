/** The programs that papers' pages show run, and say something. */
import { readdirSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { studies } from "../../src/papers/index.ts";

const folder = new URL("../../studio/samples/", import.meta.url);
const samples = readdirSync(folder).map((name) => name.replace(/\.ts$/, ""));

describe("samples", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("are of all papers that run", () => {
    expect(samples.filter((slug) => !Object.hasOwn(studies, slug))).toEqual([]);
    expect(Object.keys(studies).filter((slug) => !samples.includes(slug))).toEqual([]);
    expect(samples.length).toBeGreaterThanOrEqual(28);
  });

  it.each(samples)("%s", async (slug) => {
    const said: unknown[][] = [];
    vi.spyOn(console, "log").mockImplementation((...words) => void said.push(words));
    await import(new URL(`${slug}.ts`, folder).href);
    expect(said.length).toBeGreaterThan(0);
    const numbers = said.flat().flatMap((word) => (typeof word === "number" ? [word] : []));
    expect(numbers.filter((value) => !Number.isFinite(value))).toEqual([]);
    expect(said.flat()).not.toContain(undefined);
  });
});
