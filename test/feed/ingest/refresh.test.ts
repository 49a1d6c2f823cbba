import { describe, expect, it } from "vitest";
import {
  embeddingOf,
  isOfFeed,
  type RefreshOptions,
  refreshFeed,
  searchFeed,
  topicsOf,
} from "../../../src/feed/index.ts";
import { parseArxiv } from "../../../src/feed/ingest/arxiv.ts";
import { client } from "../../../src/feed/ingest/client.ts";
import { parseHuggingFace } from "../../../src/feed/ingest/hugging-face.ts";
import { library } from "../../../src/papers/index.ts";
import { onDatabases } from "../databases.ts";
import { atomEntry, atomFeed, closedAddress, dailyPaper, sourcesServer } from "../sources-server.ts";

const embedding = embeddingOf(library);
const now = new Date("2026-11-24T12:00:00Z");

describe("papers of arXiv", () => {
  it("are read from its feed, with entities, line breaks, old identifiers and versions", () => {
    const { papers, broken } = parseArxiv(
      atomFeed([
        atomEntry(
          "2611.01234v2",
          "Fourier\n  networks &lt;script&gt;alert(1)&lt;/script&gt;",
          "With FFTs:\n 1 &amp; 2 &lt; 3.",
        ),
        atomEntry("cs/0501001v1", "Old", "Old words."),
      ]),
    );
    expect(broken).toBe(0);
    expect(papers).toEqual([
      {
        ...{
          arxiv: "2611.01234",
          title: "Fourier networks <script>alert(1)</script>",
          abstract: "With FFTs: 1 & 2 < 3.",
        },
        ...{
          authors: ["Ada Example", "Björn & Söhne"],
          appearedAt: new Date("2026-11-23T18:00:01Z"),
          topics: ["fourier"],
        },
      },
      expect.objectContaining({ arxiv: "cs/0501001", topics: [] }),
    ]);
  });

  it("are left out and counted where an entry is not as it should be", () => {
    const entries = [
      atomEntry("2611.01234v1", "Whole", "Words."),
      atomEntry("not-an-identifier", "Title", "Words."),
      atomEntry("2611.01235v1", "", "Words."),
      atomEntry("2611.01236v1", "No date", "Words.", "yesterday"),
      "<entry></entry>",
    ];
    const { papers, broken } = parseArxiv(atomFeed(entries));
    expect([papers.map(({ title }) => title), broken]).toEqual([["Whole"], 4]);
    expect(parseArxiv(atomFeed([]))).toEqual({ papers: [], broken: 0 });
  });

  it.each([
    ["half a feed", atomFeed([atomEntry("2611.01234v1", "A", "B.")]).slice(0, -40), /no whole Atom feed/],
    ["a page", "<html><body>Rate exceeded.</body></html>", /no whole Atom feed/],
    ["nothing", "", /no whole Atom feed/],
    [
      "an error",
      atomFeed([atomEntry("x", "Error", "incorrect id").replace("arxiv.org/abs/x", "arxiv.org/api/errors#x")]),
      /reports an error: incorrect id/,
    ],
  ])("are refused as %s", (_, text, message) => {
    expect(() => parseArxiv(text)).toThrow(message);
  });
});

describe("papers of Hugging Face", () => {
  it("are read, and broken ones counted", () => {
    const items = [dailyPaper("2611.00001", "FFT", "Fourier."), { paper: { id: "2611.00002" } }, null, 7];
    const { papers, broken } = parseHuggingFace(JSON.stringify(items));
    expect(papers).toEqual([
      expect.objectContaining({ arxiv: "2611.00001", authors: ["Ada Example"], topics: ["fourier"] }),
    ]);
    expect(broken).toBe(3);
    for (const text of ["{}", "[", '{"error":"x"}', ""])
      expect(() => parseHuggingFace(text)).toThrow(/no list of papers/);
  });
});

describe("topics of a paper", () => {
  it.each([
    ["A study of feed-forward layers in Transformers", ["ffn"], true],
    ["Mixture-of-Experts with low-rank FFNs", ["ffn", "moe", "factorization"], true],
    ["Pruning of vision transformers", ["surgery", "vision"], false],
    ["The fourierist movement and its offshoots", [], false],
  ] as const)("%s", (text, topics, belongs) => {
    expect(topicsOf(text)).toEqual(topics);
    expect(isOfFeed(topics)).toBe(belongs);
  });
});

describe("a client", () => {
  const polite = { name: "The source", interval: 0, retryDelay: 1 };
  it("tries again after failures that may pass, and waits as long as it is told", async () => {
    await using server = await sourcesServer((_, response, count) => {
      if (count === 1) response.socket?.destroy();
      else if (count === 2) response.writeHead(503, { "retry-after": "1" }).end();
      else response.writeHead(200, { etag: '"a"' }).end("words");
    });
    const answer = await client(polite).get(server.base);
    expect(answer).toEqual({ changed: true, body: "words", etag: '"a"', lastModified: null });
    const [, second, third] = server.asked;
    expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it.each([
    [404, {}, 1, "The source answered 404"],
    [500, {}, 4, "The source answered 500, 4 times"],
    [429, { "retry-after": "86400" }, 1, "The source answered 429 and asks to come again in 86400 s"],
  ] as const)("gives up on %d %j after %d requests", async (status, headers, requests, message) => {
    await using server = await sourcesServer((_, response) => response.writeHead(status, headers).end());
    await expect(client(polite).get(server.base)).rejects.toThrow(message);
    expect(server.asked).toHaveLength(requests);
  });

  it("gives up on silence and on floods, and says at once that it is offline", async () => {
    await using silent = await sourcesServer(() => {});
    await expect(client({ ...polite, timeout: 50 }).get(silent.base)).rejects.toThrow(
      "gave no answer within 0.05 s, 4 times",
    );
    await using flood = await sourcesServer((_, response) => response.end("x".repeat(17 * 2 ** 20)));
    await expect(client(polite).get(flood.base)).rejects.toThrow("The source sends more than 16 MiB");
    await expect(client({ ...polite, retryDelay: 1e6 }).get(await closedAddress())).rejects.toThrow(
      "The source cannot be reached (ECONNREFUSED)",
    );
    const stop = new AbortController();
    const waiting = client({ ...polite, signal: stop.signal }).get(silent.base);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
  });

  it("keeps its distance between requests", async () => {
    await using server = await sourcesServer((_, response) => response.end("x"));
    const slow = client({ ...polite, interval: 150 });
    for (let i = 0; i < 3; i++) await slow.get(server.base);
    const [a, b, c] = server.asked.map(({ at }) => at) as [number, number, number];
    expect(Math.min(b - a, c - b)).toBeGreaterThanOrEqual(145);
  });
});

onDatabases("refresh", (feed) => {
  const refresh = (base: string, options: Partial<RefreshOptions> = {}) =>
    refreshFeed(feed().db, embedding, {
      ...{ days: 2, now, interval: 0, retryDelay: 1, bases: { arxiv: base, "hugging-face": base } },
      ...options,
    });

  it("takes what belongs here from both, once, and asks whether it has changed", async () => {
    await using server = await sourcesServer((request, response) => {
      const etag = `"${request.url?.length}"`;
      if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();
      const body = request.url?.startsWith("/api/query")
        ? atomFeed([
            atomEntry("2611.01234v1", "Fourier layers", "FFTs on walruses."),
            atomEntry("2611.01235v1", "Robot walking", "Legs."),
          ])
        : JSON.stringify([
            dailyPaper("2611.01234", "Fourier layers", "FFTs."),
            dailyPaper("2611.02000", "A MoE", "Mixture of experts."),
          ]);
      response.writeHead(200, { etag }).end(body);
    });
    const [arxiv, daily] = await refresh(server.base);
    expect(arxiv).toEqual({ source: "arxiv", added: 1, kept: 1, told: 2, broken: 0, unchanged: 0, failure: null });
    expect(daily).toEqual({
      source: "hugging-face",
      added: 1,
      kept: 4,
      told: 4,
      broken: 0,
      unchanged: 0,
      failure: null,
    });
    expect(server.asked.map(({ url }) => url.replace(/search_query=[^&]*/, "search_query=q"))).toEqual([
      "/api/query?search_query=q&start=0&max_results=100&sortBy=submittedDate&sortOrder=descending",
      "/api/daily_papers?date=2026-11-24",
      "/api/daily_papers?date=2026-11-23",
    ]);
    expect((await searchFeed(feed().db, embedding, { query: "experts" })).papers).toEqual([
      expect.objectContaining({
        slug: "arxiv-2611.02000",
        abstract: "Mixture of experts.",
        source: "hugging-face",
        runs: false,
      }),
    ]);
    const again = await refresh(server.base);
    expect(again.map(({ added, unchanged }) => [added, unchanged])).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });

  it("turns pages until the days are over", async () => {
    await using server = await sourcesServer((request, response) => {
      const start = Number(new URL(request.url ?? "", "http://x").searchParams.get("start"));
      const published = start === 200 ? "2026-11-01T00:00:00Z" : "2026-11-23T00:00:00Z";
      const entries = Array.from({ length: 100 }, (_, i) =>
        atomEntry(`2611.${10_000 + start + i}v1`, `FFT ${start + i}`, "A.", published),
      );
      response.end(atomFeed(entries));
    });
    const [arxiv] = await refresh(server.base, { sources: ["arxiv"] });
    expect(arxiv).toMatchObject({ added: 300, told: 300, failure: null });
    expect(server.asked).toHaveLength(3);
  });

  it("keeps what one source gave when another fails, and does not take a broken page as read", async () => {
    let broken = true;
    await using server = await sourcesServer((request, response) => {
      if (request.url?.startsWith("/api/daily")) response.end("[]");
      else
        response
          .writeHead(200, { etag: '"1"' })
          .end(broken ? "<feed>" : atomFeed([atomEntry("2611.01234v1", "FFT", "A.")]));
    });
    const [arxiv, daily] = await refresh(server.base);
    expect(arxiv).toMatchObject({ failure: "arXiv sent something that is no whole Atom feed", added: 0 });
    expect(daily).toMatchObject({ failure: null });
    broken = false;
    expect((await refresh(server.base))[0]).toMatchObject({ added: 1, failure: null });
    expect(server.asked.filter(({ ifNoneMatch }) => ifNoneMatch !== undefined)).toEqual([]);
  });

  it("says that it is offline, and stops when it is asked to", async () => {
    const [arxiv] = await refresh(await closedAddress(), { sources: ["arxiv"] });
    expect(arxiv?.failure).toBe("arXiv cannot be reached (ECONNREFUSED)");
    await using silent = await sourcesServer(() => {});
    const stop = new AbortController();
    const running = refresh(silent.base, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error("stopped")), 50);
    await expect(running).rejects.toThrow("stopped");
  });
});
