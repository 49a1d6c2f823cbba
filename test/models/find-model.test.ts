import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { flatten, key, mapTree, tensor } from "../../src/array/index.ts";
import {
  decoder,
  EMBEDDED_MODEL,
  findModel,
  loadPretrained,
  openWeights,
  savePretrained,
  writeWeights,
} from "../../src/models/index.ts";

const work = await mkdtemp(join(tmpdir(), "fourward-find-"));
/** What the hub has: repositories with their files. */
const repos: Record<string, Record<string, Buffer>> = {};
let server: Server;
let address: string;
/** The address of a hub that nobody listens at. */
let nowhere: string;
let requests: { path: string; range: string | undefined; authorization: string | undefined }[] = [];
/** How many bytes of a file are sent before the connection breaks; all by default. */
let cutAfter = Number.POSITIVE_INFINITY;
let spoil = false;

beforeAll(async () => {
  const model = decoder({
    vocabulary: 64,
    context: 16,
    width: 32,
    blocks: [[{ mixer: { kind: "attention", heads: 2, bias: false } }, { ffn: { kind: "gated", hidden: 64 } }]],
    norm: "rms",
    tied: false,
  });
  const params = mapTree(model.init(key(0)), ({ shape, size }) =>
    tensor(
      Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
      { shape },
    ),
  );
  const folder = join(work, "source");
  await savePretrained(folder, { model, params, tokenizer: null });
  const read = (name: string) => readFile(join(folder, name));
  const config = await read("config.json");
  const single = { "config.json": config, "model.safetensors": await read("model.safetensors") };
  repos["ada/single"] = { ...single, "pytorch_model.bin": Buffer.from("x"), "onnx/model.onnx": Buffer.from("y") };
  const file = await openWeights(folder);
  const tensors = Object.fromEntries(
    await Promise.all(
      [...file.entries].map(async ([name, { dtype, shape }]) => [name, { dtype, shape, data: await file.bytes(name) }]),
    ),
  );
  await file.close();
  const shards = join(work, "shards");
  await mkdir(shards);
  await writeWeights(shards, tensors, { maxBytes: 9000 });
  const index = await readFile(join(shards, "model.safetensors.index.json"));
  const names = [...new Set(Object.values(JSON.parse(index.toString()).weight_map as Record<string, string>))];
  repos["ada/sharded"] = { "config.json": config, "model.safetensors.index.json": index };
  for (const name of names) repos["ada/sharded"][name] = await readFile(join(shards, name));
  repos["ada/pickle"] = { "config.json": config, "pytorch_model.bin": Buffer.from("x") };
  repos["ada/empty"] = { "README.md": Buffer.from("#") };

  server = createServer((request, response) => {
    const path = decodeURIComponent((request.url as string).split("?")[0] as string);
    const { range, authorization } = request.headers;
    requests.push({ path, range, authorization });
    const tree = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/main\/?$/.exec(path);
    if (tree && repos[tree[1] as string]) {
      const list = Object.entries(repos[tree[1] as string] as Record<string, Buffer>).map(([name, content]) => ({
        type: "file",
        path: name,
        size: content.length,
        oid: createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex"),
        ...(/safetensors$|bin$/.test(name)
          ? { lfs: { oid: createHash("sha256").update(content).digest("hex"), size: content.length } }
          : {}),
      }));
      response.setHeader("content-type", "application/json").end(JSON.stringify(list));
      return;
    }
    const file = /^\/([^/]+\/[^/]+)\/resolve\/main\/(.+)$/.exec(path);
    const content = file ? repos[file[1] as string]?.[file[2] as string] : undefined;
    if (!content) {
      response.writeHead(404).end();
      return;
    }
    const from = Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
    const body = spoil ? Buffer.alloc(content.length) : content;
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": content.length - from,
      ...(from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    });
    if (content.length > cutAfter) {
      response.write(body.subarray(from, from + cutAfter), () => setTimeout(() => response.destroy(), 50));
      cutAfter = Number.POSITIVE_INFINITY;
    } else response.end(body.subarray(from));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const closed = createServer();
  await new Promise<void>((done) => closed.listen(0, "127.0.0.1", done));
  nowhere = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  await new Promise((done) => closed.close(done));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const environment = { ...process.env };
beforeEach(async () => {
  process.env.HF_ENDPOINT = address;
  process.env.FOURWARD_CACHE = await mkdtemp(join(work, "cache-"));
  delete process.env.FOURWARD_DATA;
  delete process.env.HF_TOKEN;
  [requests, cutAfter, spoil] = [[], Number.POSITIVE_INFINITY, false];
});
afterEach(() => {
  process.env = { ...environment };
});
const leaves = async (folder: string) => flatten((await loadPretrained(folder)).params).leaves.map(({ data }) => data);

describe("a name on the hub", () => {
  it("is downloaded once: what a model needs, and nothing else", async () => {
    const progress: [number, number | null][] = [];
    const onProgress = ({ received, total }: { received: number; total: number | null }) =>
      progress.push([received, total]);
    const folder = await findModel("ada/single", { onProgress });
    expect(await leaves(folder)).toEqual(await leaves(join(work, "source")));
    const asked = requests.map(({ path }) => path).filter((path) => path.includes("/resolve/"));
    expect(asked.sort()).toEqual([
      "/ada/single/resolve/main/config.json",
      "/ada/single/resolve/main/model.safetensors",
    ]);
    expect(progress.at(-1)?.[0]).toBe(progress.at(-1)?.[1]);
    requests = [];
    process.env.HF_ENDPOINT = nowhere;
    expect(await findModel("ada/single")).toBe(folder);
    expect(requests).toEqual([]);
  });

  it("may have its weights in several files", async () => {
    expect(await leaves(await findModel("ada/sharded"))).toEqual(await leaves(join(work, "source")));
  });

  it("goes on where a download was cut", async () => {
    cutAfter = 10_000;
    const folder = await findModel("ada/single", { retryDelay: 1 });
    expect(requests.map(({ range }) => range).filter(Boolean)).toEqual(["bytes=10000-"]);
    expect(await leaves(folder)).toEqual(await leaves(join(work, "source")));
  });

  it("is asked for with the user's token", async () => {
    process.env.HF_TOKEN = "hf_secret";
    await findModel("ada/single");
    expect(new Set(requests.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer hf_secret"]));
  });

  it("is refused if a file is not the one that the hub lists", async () => {
    spoil = true;
    await expect(findModel("ada/single", { retryDelay: 1 })).rejects.toThrow(
      /^model ada\/single: config\.json could not be downloaded \(.*expected the Git hash [0-9a-f]{40}, got/,
    );
    const left = join(process.env.FOURWARD_CACHE as string, "hub/models/ada/single/config.json");
    await expect(stat(left)).rejects.toThrow();
  });

  it("says in one sentence what is wrong", async () => {
    await expect(findModel("ada/pickle")).rejects.toThrow("its weights are not safetensors but a pickle");
    await expect(findModel("ada/empty")).rejects.toThrow("the hub's repository has no config.json");
    await expect(findModel("ada/none")).rejects.toThrow(
      /^model ada\/none: there is no such folder, and 127.* answered: /,
    );
    process.env.HF_ENDPOINT = nowhere;
    await expect(findModel("ada/other")).rejects.toThrow(
      /^model ada\/other: there is no such folder, and 127\.0\.0\.1:\d+ cannot be reached \(\w+\); go online and run it again, or/,
    );
    await expect(findModel("./no/such/folder")).rejects.toThrow(
      "there is no such folder, and it is not a name such as",
    );
  });
});

it("a folder comes first, then a name of this package, then the user's own copies of the hub", async () => {
  const folder = join(work, "source");
  expect(await findModel(folder)).toBe(folder);
  expect(await findModel(EMBEDDED_MODEL)).toMatch(/models[\\/]fourward-4m$/);
  process.env.FOURWARD_DATA = join(work, "data");
  await mkdir(join(work, "data/ada/single"), { recursive: true });
  await writeFile(join(work, "data/ada/single/config.json"), "{}");
  expect(await findModel("ada/single")).toBe(join(work, "data/ada/single"));
  await rm(join(work, "data"), { recursive: true });
  expect(requests).toEqual([]);
});
