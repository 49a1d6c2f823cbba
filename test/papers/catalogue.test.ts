import { describe, expect, it } from "vitest";
import {
  catalogue,
  findPaper,
  isImplemented,
  searchPapers,
  studies,
  UnknownPaperError,
} from "../../src/papers/index.ts";

const slugs = (papers: readonly { slug: string }[]) => papers.map(({ slug }) => slug);

describe("catalogue", () => {
  it("has papers 1 to 75 in order, each complete", () => {
    expect(catalogue.map(({ number }) => number)).toEqual(Array.from({ length: 75 }, (_, i) => i + 1));
    for (const { slug, title, name, year, arxiv, summary, topics } of catalogue) {
      expect(slug).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(title.trim()).toBe(title);
      expect(name.length).toBeGreaterThan(1);
      expect(summary).toMatch(/^[A-Z0-9].{30,240}\.$/);
      expect(topics.length).toBeGreaterThan(0);
      // arXiv identifiers since 2007 begin with the year; a paper may appear in print in a later year.
      if (arxiv !== undefined) {
        expect(arxiv).toMatch(/^\d{4}\.\d{4,5}$/);
        expect(2000 + Number(arxiv.slice(0, 2))).toBeLessThanOrEqual(year);
      }
    }
  });

  it("uses each name, title and identifier once", () => {
    const names = catalogue.flatMap(({ slug, name, title }) => [
      ...new Set([slug, name, title].map((n) => n.toLowerCase())),
    ]);
    expect(new Set(names).size).toBe(names.length);
    const ids = catalogue.flatMap(({ arxiv }) => arxiv ?? []);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("has every study", () => {
    for (const slug of Object.keys(studies)) expect(slugs(catalogue)).toContain(slug);
    expect(slugs(catalogue.filter((entry) => isImplemented(entry)))).toEqual(
      expect.arrayContaining(Object.keys(studies)),
    );
    expect(isImplemented({ slug: "toString" } as (typeof catalogue)[number])).toBe(false);
  });
});

describe("findPaper", () => {
  it("knows every paper by slug, number, name and title, in any case", () => {
    for (const entry of catalogue) {
      for (const query of [entry.slug, String(entry.number), entry.name.toUpperCase(), ` ${entry.title} `])
        expect(findPaper(query)).toBe(entry);
    }
  });

  it.each([
    ["fast-feedfoward", 'unknown paper "fast-feedfoward"; did you mean fast-feedforward?'],
    ["Moefikation", "did you mean moefication?"],
    ["enhancing fast feed forward networks with load balancing", "did you mean fast-feedforward?"],
    ["quantization", /did you mean (sparse-vq or fsq|fsq or sparse-vq)/],
    ["76", 'unknown paper "76"; fourward list shows all 75'],
    ["zzzzzz", 'unknown paper "zzzzzz"; fourward list shows all 75'],
    ["", 'unknown paper ""; fourward list shows all 75'],
  ])("says of %j what may be meant", (query, message) => {
    expect(() => findPaper(query)).toThrow(UnknownPaperError);
    expect(() => findPaper(query)).toThrow(message);
  });
});

describe("searchPapers", () => {
  it("finds papers in which every word occurs", () => {
    expect(slugs(searchPapers("MASTER leaf"))).toEqual(["fast-feedforward"]);
    expect(searchPapers("")).toEqual(catalogue);
    expect(searchPapers("leaf zebra")).toEqual([]);
    for (const { title, summary, topics, slug, name } of searchPapers("moe"))
      expect(`${title} ${summary} ${topics.join(" ")} ${slug} ${name}`.toLowerCase()).toContain("moe");
  });
});
