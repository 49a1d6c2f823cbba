import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileError, jsonlWriter, sha256File, writeFileAtomic } from "../../src/data/files.ts";
import { onSmallDisk } from "./small-disk.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-files-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const oneSentence = /^[^\n]+$/;

describe("writeFileAtomic", () => {
  it("writes text, bytes and parts, and replaces what was there", async () => {
    const path = join(folder, "a.txt");
    await writeFileAtomic(path, "text é");
    expect(readFileSync(path, "utf8")).toBe("text é");
    await writeFileAtomic(path, Uint8Array.of(1, 2, 255));
    expect([...readFileSync(path)]).toEqual([1, 2, 255]);
    await writeFileAtomic(path, ["a", Uint8Array.of(98), "", "c"]);
    expect(readFileSync(path, "utf8")).toBe("abc");
    await writeFileAtomic(
      path,
      (async function* () {
        yield "d";
        yield Buffer.from("e");
      })(),
    );
    expect(readFileSync(path, "utf8")).toBe("de");
    await writeFileAtomic(path, "");
    expect(statSync(path).size).toBe(0);
    expect(readdirSync(folder)).toEqual(["a.txt"]);
  });

  it("writes parts larger than one system write in order", async () => {
    const path = join(folder, "big");
    const parts = [1, 2, 3].map((value) => new Uint8Array(3_000_000).fill(value));
    await writeFileAtomic(path, parts);
    expect(readFileSync(path).equals(Buffer.concat(parts))).toBe(true);
  });

  it("keeps the previous file and leaves no temporary one when the data fails half way", async () => {
    const path = join(folder, "a");
    writeFileSync(path, "precious");
    const failing = (function* () {
      yield "half";
      throw new Error("no more data");
    })();
    await expect(writeFileAtomic(path, failing)).rejects.toThrow("no more data");
    expect(readFileSync(path, "utf8")).toBe("precious");
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  it("keeps permissions and follows a symbolic link", async () => {
    const path = join(folder, "real");
    writeFileSync(path, "old");
    chmodSync(path, 0o600);
    symlinkSync(path, join(folder, "link"));
    await writeFileAtomic(join(folder, "link"), "new");
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("explains a missing folder, a folder in the way and a file used as a folder", async () => {
    const missing = join(folder, "none");
    await expect(writeFileAtomic(join(missing, "a"), "x")).rejects.toThrow(
      `write ${join(missing, "a")}: the folder ${missing} does not exist; create it first`,
    );
    await expect(writeFileAtomic(folder, "x")).rejects.toThrow(/expected a file or a free name, but it is a folder/);
    writeFileSync(join(folder, "file"), "");
    await expect(writeFileAtomic(join(folder, "file", "a"), "x")).rejects.toThrow(
      /file is not a folder; check the path$/,
    );
    await expect(writeFileAtomic(join(folder, "x".repeat(250)), "x")).rejects.toThrow(/name is too long/);
  });

  it("refuses to replace a device", async () => {
    await expect(writeFileAtomic("/dev/null", "x")).rejects.toThrow(/is a device or a pipe; choose another path$/);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  it("removes what a killed writer left, but nothing of a living or a recent one", async () => {
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const [orphan, recent, living, foreign] = [
      `.a.${dead}.0.tmp`,
      `.a.${dead}.1.tmp`,
      `.a.${process.ppid}.0.tmp`,
      ".b.tmp",
    ];
    for (const name of [orphan, recent, living, foreign]) writeFileSync(join(folder, name), "x");
    const old = new Date(Date.now() - 3_600_000);
    for (const name of [orphan, living, foreign]) utimesSync(join(folder, name), old, old);
    await writeFileAtomic(join(folder, "a"), "y");
    expect(readdirSync(folder).sort()).toEqual([recent, living, foreign, "a"].sort());
  });

  it("holds all of the old or all of the new content when killed at any moment", async () => {
    const path = join(folder, "state");
    const content = (n: number) => `${n}\n`.repeat(200_000);
    writeFileSync(path, content(0));
    const program = `
      import { writeFileAtomic } from ${JSON.stringify(new URL("../../src/data/files.ts", import.meta.url).href)};
      console.log("go");
      for (let n = 1; ; n++) await writeFileAtomic(${JSON.stringify(path)}, (n + "\\n").repeat(200_000));
    `;
    for (const wait of [5, 23, 71]) {
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = new Promise((done) => child.once("exit", done));
      await new Promise((started) => child.stdout.once("data", started));
      await new Promise((done) => setTimeout(done, wait));
      child.kill("SIGKILL");
      await exited;
      const text = readFileSync(path, "utf8");
      expect(text === content(Number.parseInt(text, 10))).toBe(true);
    }
  });
});

describe("a full disk", () => {
  it("is one sentence with the next step", () => {
    if (!existsSync("/dev/full")) return console.log("skipped: no /dev/full on this system");
    const full = openSync("/dev/full", "w");
    let seen: unknown;
    try {
      writeSync(full, "x");
    } catch (error) {
      seen = fileError("write", "model.safetensors", error);
    }
    expect(seen).toEqual(
      new Error("write model.safetensors: the disk is full; free some space or choose another folder"),
    );
  });

  it("keeps the previous file, removes the temporary one and cuts a half-written row", async () => {
    const disk = join(folder, "disk");
    await onSmallDisk(disk, async () => {
      const path = join(disk, "weights");
      await writeFileAtomic(path, "precious");
      await expect(writeFileAtomic(path, new Uint8Array(1 << 20))).rejects.toThrow(
        `write ${path}: the disk is full; free some space or choose another folder`,
      );
      expect(readFileSync(path, "utf8")).toBe("precious");
      expect(readdirSync(disk)).toEqual(["weights"]);

      const metrics = jsonlWriter(join(disk, "metrics.jsonl"));
      metrics.write({ step: 1 });
      expect(() => metrics.write({ step: 2, note: "x".repeat(1 << 20) })).toThrow(
        /^append to .*: the disk is full; .*$/,
      );
      metrics.write({ step: 3 });
      metrics.close();
      expect(readFileSync(join(disk, "metrics.jsonl"), "utf8")).toBe('{"step":1}\n{"step":3}\n');
    });
  });
});

describe("jsonlWriter", () => {
  const rows = (path: string) => readFileSync(path, "utf8");

  it("starts afresh without resumeAt and spells non-finite numbers", () => {
    const path = join(folder, "m.jsonl");
    writeFileSync(path, "old\n");
    const writer = jsonlWriter(path);
    writer.write({ step: 1, loss: Number.NaN, bound: [Number.POSITIVE_INFINITY] });
    expect(rows(path)).toBe('{"step":1,"loss":"NaN","bound":["Infinity"]}\n');
    writer.close();
  });

  it("cuts a torn last line and everything from the first row past the step", () => {
    const path = join(folder, "m.jsonl");
    writeFileSync(path, '{"start":true}\n{"step":1}\n{"step":2}\n{"epoch":1}\n{"step":3}\n{"epoch":2}\n{"st');
    const writer = jsonlWriter(path, { resumeAt: 2 });
    writer.write({ step: 3, again: true });
    writer.close();
    expect(rows(path)).toBe('{"start":true}\n{"step":1}\n{"step":2}\n{"epoch":1}\n{"step":3,"again":true}\n');
  });

  it("continues a missing, an empty and a wholly torn file", () => {
    for (const before of [null, "", '{"step":']) {
      const path = join(folder, "m.jsonl");
      rmSync(path, { force: true });
      if (before !== null) writeFileSync(path, before);
      const writer = jsonlWriter(path, { resumeAt: 0 });
      writer.write({ step: 1 });
      writer.close();
      expect(rows(path)).toBe('{"step":1}\n');
    }
  });

  it("refuses a foreign file and leaves it alone", () => {
    const path = join(folder, "m.jsonl");
    const foreign = '{"step":1}\nDear diary,\n{"step":2}\n';
    writeFileSync(path, foreign);
    expect(() => jsonlWriter(path, { resumeAt: 5 })).toThrow(/^resume .*: line 2 is not JSON, .*$/);
    expect(rows(path)).toBe(foreign);
  });

  it("explains a missing folder", () => {
    expect(() => jsonlWriter(join(folder, "none", "m.jsonl"))).toThrow(
      /the folder .*none does not exist; create it first$/,
    );
  });
});

describe("sha256File", () => {
  it("agrees with a hash of the whole, and explains a missing file", async () => {
    const path = join(folder, "a");
    const content = Buffer.alloc(2_500_000, 7);
    writeFileSync(path, content);
    expect(await sha256File(path)).toBe(createHash("sha256").update(content).digest("hex"));
    await expect(sha256File(join(folder, "none"))).rejects.toThrow(/^read .*none: no such file; check the path$/);
    await expect(sha256File(join(folder, "none"))).rejects.toThrow(oneSentence);
  });
});
