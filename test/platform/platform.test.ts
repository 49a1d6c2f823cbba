/** What browsers have in place of Node: each does what Node's does. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as nodePath from "node:path/posix";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import * as gzip from "../../src/platform/gzip.ts";
import * as hash from "../../src/platform/hash.ts";
import * as memory from "../../src/platform/memory-files.ts";
import * as node from "../../src/platform/node.ts";
import * as paths from "../../src/platform/paths.ts";

const bytes = Uint8Array.from({ length: 3000 }, (_, i) => (i * i) % 251);

/** What a sequence of calls gives, its error codes included. */
async function story(files: typeof node | typeof memory, root: string): Promise<unknown[]> {
  const { existsSync, mkdir, open, openSync, readdir, readFile, readSync, rename, rm, stat, unlink, writeSync } =
    files as typeof node;
  const told: unknown[] = [];
  const tell = async (work: () => unknown) => {
    try {
      told.push(await work());
    } catch (error) {
      told.push((error as { code?: string }).code);
    }
  };
  await tell(() => readFile(`${root}/a/none`));
  await tell(() => open(`${root}/a/b/first`, "wx"));
  await mkdir(`${root}/a/b`, { recursive: true });
  const file = await open(`${root}/a/b/first`, "wx");
  await file.writeFile(bytes);
  await file.writeFile("more\n");
  await file.close();
  await tell(() => open(`${root}/a/b/first`, "wx"));
  await tell(async () => (await stat(`${root}/a/b/first`)).size);
  await rename(`${root}/a/b/first`, `${root}/a/second`);
  await tell(() => [existsSync(`${root}/a/b/first`), existsSync(`${root}/a/second`), existsSync(`${root}/a/b`)]);
  await tell(async () => (await readFile(`${root}/a/second`, "utf8")).slice(-6));
  await tell(() => readFile(`${root}/a`));
  await tell(async () => (await readdir(`${root}/a`)).sort());
  const handle = openSync(`${root}/a/log`, "a+");
  writeSync(handle, bytes, 2990);
  writeSync(handle, bytes, 2998);
  const part = new Uint8Array(20);
  await tell(() => readSync(handle, part, 1, 12, 4));
  await tell(() => Array.from(part));
  files.ftruncateSync(handle, 3);
  await tell(() => files.fstatSync(handle).size);
  files.closeSync(handle);
  await unlink(`${root}/a/log`);
  await tell(() => unlink(`${root}/a/log`));
  await rm(`${root}/a`, { recursive: true, force: true });
  await tell(() => existsSync(`${root}/a`));
  await tell(() => readdir(`${root}/a`));
  return told;
}

it("files in memory are as files on disk", async () => {
  const folder = mkdtempSync(`${tmpdir()}/fourward-platform-`);
  await memory.mkdir("/root", { recursive: true });
  expect(await story(memory, "/root")).toEqual(
    await story(node, folder).finally(() => rmSync(folder, { recursive: true })),
  );
});

it("paths are as in Node", () => {
  const cases = ["/a/b", "/a/b/", "a/../b", "./x", "/", "a", "../c", "/a/./b/../c.txt", ""];
  for (const a of cases) {
    if (a.startsWith("/")) expect(paths.resolve(a)).toBe(nodePath.resolve(a));
    expect(paths.basename(`/x/${a}`)).toBe(nodePath.basename(nodePath.join("/x", a)));
    for (const b of cases) {
      expect(paths.join("/r", a, b)).toBe(nodePath.join("/r", a, b).replace(/(?<=.)\/$/, ""));
      expect(paths.relative(`/p/${a}`, `/p/${b}`)).toBe(nodePath.relative(`/p/${a}`, `/p/${b}`));
    }
  }
  for (const path of ["/a/b", "/a", "a/b/c", "a"]) expect(paths.dirname(path)).toBe(nodePath.dirname(path));
});

it("hashes and gzip are as in Node", () => {
  const parts = (of: { createHash(name: "sha256"): unknown }) =>
    (of as typeof node).createHash("sha256").update("häsh").update(bytes).digest("hex");
  expect(parts(hash)).toBe(parts({ createHash }));
  const packed = gzipSync(bytes);
  expect(gzip.gunzipSync(packed)).toEqual(bytes);
  expect(() => gzip.gunzipSync(packed, { maxOutputLength: 100 })).toThrow(
    expect.objectContaining({ code: "ERR_BUFFER_TOO_LARGE" }),
  );
  expect(() => gzip.gunzipSync(packed.subarray(0, packed.length - 20))).toThrow();
});
