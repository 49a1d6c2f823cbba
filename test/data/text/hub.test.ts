import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadCorpus } from "../../../src/data/index.ts";
import { sampleOf } from "../../../src/data/text/hub.ts";

const parquet = (text: readonly string[], rowGroupSize = 1000): Buffer =>
  Buffer.from(parquetWriteBuffer({ columnData: [{ name: "text", data: [...text], type: "STRING" }], rowGroupSize }));
const lines = (name: string) => [
  "",
  ` = ${name} one = \n`,
  "",
  " Text of it .\n",
  " = = A section = = \n",
  " More .\n",
  ` = ${name} two = \n`,
  " End .\n",
];
const wiki = "wikitext-2-raw-v1";
const documents = Array.from({ length: 400 }, (_, i) => `document ${i} ${"word ".repeat(20)}`);
/** What the hub has: paths with their content. */
const files: { readonly [path: string]: Buffer } = {
  [`Salesforce/wikitext|${wiki}/train-00000-of-00002.parquet`]: parquet(lines("Train")),
  [`Salesforce/wikitext|${wiki}/train-00001-of-00002.parquet`]: parquet(lines("Again")),
  [`Salesforce/wikitext|${wiki}/validation-00000-of-00001.parquet`]: parquet(lines("Validation")),
  [`Salesforce/wikitext|${wiki}/test-00000-of-00001.parquet`]: parquet(lines("Test")),
  "HuggingFaceFW/fineweb|sample/10BT/000.parquet": parquet(documents, 50),
};

let server: Server;
/** The address of a hub that nobody listens at. */
let nowhere: string;
let requests: { path: string; range: string | undefined }[] = [];
let spoil = false;
const environment = { ...process.env };
beforeAll(async () => {
  server = createServer((request, response) => {
    const path = decodeURIComponent((request.url as string).split("?")[0] as string);
    requests.push({ path, range: request.headers.range });
    const tree = /^\/api\/datasets\/([^/]+\/[^/]+)\/tree\/main\/(.+)$/.exec(path);
    if (tree) {
      const found = Object.entries(files).filter(([name]) => name.startsWith(`${tree[1]}|${tree[2]}/`));
      const list = found.map(([name, content]) => {
        const oid = createHash("sha256").update(content).digest("hex");
        return {
          type: "file",
          path: name.split("|")[1],
          size: content.length,
          oid: "0",
          lfs: { oid, size: content.length },
        };
      });
      response.setHeader("content-type", "application/json").end(JSON.stringify(list));
      return;
    }
    const file = /^\/datasets\/([^/]+\/[^/]+)\/resolve\/main\/(.+)$/.exec(path);
    const content = file ? files[`${file[1]}|${file[2]}`] : undefined;
    if (!content) {
      response.writeHead(404).end();
      return;
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range) {
      const [from, to] = [Number(range[1]), range[2] ? Number(range[2]) : content.length - 1];
      response
        .writeHead(206, { "content-range": `bytes ${from}-${to}/${content.length}` })
        .end(content.subarray(from, to + 1));
    } else response.end(spoil ? Buffer.alloc(content.length) : content);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const closed = createServer();
  await new Promise<void>((done) => closed.listen(0, "127.0.0.1", done));
  nowhere = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  await new Promise((done) => closed.close(done));
});
afterAll(() => new Promise((done) => server.close(done)));
beforeEach(async () => {
  requests = [];
  spoil = false;
  process.env.FOURWARD_DATA = "";
  process.env.FOURWARD_CACHE = await mkdtemp(join(tmpdir(), "fourward-hub-"));
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(() => {
  process.env = { ...environment };
});

describe("WikiText", () => {
  it("comes as articles in its own parts, and a second time without the hub", async () => {
    const corpus = await loadCorpus("wikitext-2");
    expect(corpus.name).toBe("Salesforce/wikitext:wikitext-2-raw-v1");
    expect(corpus.train).toHaveLength(4);
    expect(corpus.train[0]).toBe(" = Train one = \n Text of it .\n = = A section = = \n More .\n");
    expect(corpus.validation[1]).toBe(" = Validation two = \n End .\n");
    expect(corpus.test).toHaveLength(2);
    process.env.HF_ENDPOINT = nowhere;
    expect(await loadCorpus("Salesforce/wikitext:wikitext-2-raw-v1")).toEqual(corpus);
  });

  it("is refused if a file is not the one that the hub lists", async () => {
    spoil = true;
    await expect(loadCorpus("wikitext-2")).rejects.toThrow(/train-00000.* could not be downloaded .*expected SHA-256/);
  });

  it("is fetched anew if what is kept was damaged", async () => {
    const corpus = await loadCorpus("wikitext-2");
    const kept = join(
      process.env.FOURWARD_CACHE as string,
      "hub/Salesforce/wikitext",
      wiki,
      "test-00000-of-00001.parquet",
    );
    await writeFile(kept, "damaged");
    requests = [];
    expect(await loadCorpus("wikitext-2")).toEqual(corpus);
    expect(requests.map(({ path }) => path.split("/").at(-1))).toEqual(["test-00000-of-00001.parquet"]);
    expect(await readFile(kept)).toEqual(files[`Salesforce/wikitext|${wiki}/test-00000-of-00001.parquet`]);
  });

  it("tells how far it is, and stops when it is told to", async () => {
    const seen = new Set<string>();
    await loadCorpus("wikitext-2", { onProgress: ({ file }) => seen.add(file) });
    expect(seen.size).toBe(4);
    process.env.FOURWARD_CACHE = await mkdtemp(join(tmpdir(), "fourward-hub-"));
    const signal = AbortSignal.abort();
    for (const name of ["wikitext-2", "fineweb"])
      await expect(loadCorpus(name, { signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("is read without the hub from files that were put there by hand", async () => {
    const corpus = await loadCorpus("wikitext-2");
    const folder = await mkdtemp(join(tmpdir(), "fourward-by-hand-"));
    await mkdir(join(folder, "Salesforce/wikitext", wiki), { recursive: true });
    const own = Object.entries(files).filter(([name]) => name.startsWith("Salesforce"));
    for (const [name, content] of own) await writeFile(join(folder, name.replace("|", "/")), content);
    process.env.FOURWARD_DATA = folder;
    process.env.HF_ENDPOINT = nowhere;
    process.env.FOURWARD_CACHE = join(folder, "empty");
    expect(await loadCorpus("wikitext-2")).toEqual(corpus);
    await writeFile(join(folder, "Salesforce/wikitext", wiki, "test-00000-of-00001.parquet"), "no Parquet at all");
    await expect(loadCorpus("wikitext-2")).rejects.toThrow(
      /^corpus Salesforce\/wikitext: \S+test-00000-of-00001.parquet could not be read as Parquet \(.*\)$/,
    );
  });

  it("says in one sentence that the hub cannot be reached or has no such folder", async () => {
    await expect(loadCorpus("wikitext-103")).rejects.toThrow("no Parquet files in its folder wikitext-103-raw-v1");
    process.env.HF_ENDPOINT = nowhere;
    await expect(loadCorpus("wikitext-103")).rejects.toThrow(
      /^corpus Salesforce\/wikitext: wikitext-103-raw-v1 is not on this machine, and 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\); go online and run it again, or put the Parquet files of \S+\/wikitext-103-raw-v1 into a folder \S+ and set FOURWARD_DATA to the folder that holds it$/,
    );
    process.env.HF_ENDPOINT = "the hub";
    await expect(loadCorpus("wikitext-103")).rejects.toThrow(
      "HF_ENDPOINT: expected the address of a hub such as https://huggingface.co, got the hub",
    );
  });
});

describe("FineWeb", () => {
  const set = { repo: "HuggingFaceFW/fineweb", folder: "sample/10BT" };
  const all = (parts: { train: readonly string[]; validation: readonly string[]; test: readonly string[] }) =>
    [...parts.train, ...parts.validation, ...parts.test].sort();

  it("is fetched only as far as it is asked for, by ranges, and goes on from what is kept", async () => {
    const bytes = documents.slice(0, 120).reduce((total, text) => total + text.length, 0);
    const first = await sampleOf(set, (bytes - 1) / 1e6);
    expect(all(first)).toEqual([...documents.slice(0, 120)].sort());
    const fetched = requests.filter(({ path }) => path.includes("resolve"));
    expect(fetched.length).toBeGreaterThan(0);
    expect(fetched.every(({ range }) => range !== undefined)).toBe(true);
    process.env.HF_ENDPOINT = nowhere;
    expect(await sampleOf(set, (bytes - 1) / 1e6)).toEqual(first);
    await expect(sampleOf(set, 1)).rejects.toThrow(/000\.parquet could not be read, .* cannot be reached/);
  });

  it("needs no row group after the last that is asked for", async () => {
    const bytes = documents.slice(0, 50).reduce((total, text) => total + text.length, 0);
    expect(all(await sampleOf(set, bytes / 1e6))).toEqual([...documents.slice(0, 50)].sort());
    const first = requests.filter(({ path }) => path.includes("resolve")).length;
    requests = [];
    await sampleOf(set, (2 * bytes) / 1e6);
    // The table of contents again, and one more group.
    expect(requests.filter(({ path }) => path.includes("resolve"))).toHaveLength(first);
  });

  it("is as large as the name says", async () => {
    const corpus = await loadCorpus("fineweb:0.005MB");
    expect(corpus.name).toBe("HuggingFaceFW/fineweb:sample-10BT:0.005MB");
    const size = all(corpus).reduce((total, text) => total + text.length, 0);
    expect(size).toBeGreaterThanOrEqual(5000);
    expect(size).toBeLessThan(5000 + 130);
    expect((await loadCorpus("fineweb")).name).toBe("HuggingFaceFW/fineweb:sample-10BT");
    await expect(loadCorpus("fineweb:0MB")).rejects.toThrow("expected a size above 0 megabytes, got 0");
    await expect(loadCorpus("wikitext-2:5MB")).rejects.toThrow("is always taken whole; leave out the size");
  });

  it("is all there is when more is asked for, mostly for training", async () => {
    const parts = await sampleOf(set, 100);
    expect(all(parts)).toEqual([...documents].sort());
    expect(parts.train.length).toBeGreaterThan(360);
    expect(parts.validation.length).toBeGreaterThan(0);
  });
});
