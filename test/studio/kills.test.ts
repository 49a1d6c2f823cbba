/** Fifty runs that were started come to their end once each, whatever becomes of the server meanwhile. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../cli/process.ts";
import { noPostgres, postgresDatabase, type TestDatabase } from "../feed/databases.ts";
import { rawRequest } from "./studio.ts";

const patient = 400_000;
const RUNS = 50;

interface Server {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  readonly port: number;
}

describe.each([["PGlite"], ...(noPostgres ? [] : [["PostgreSQL"]])])("%s", (kind) => {
  let folder = "";
  let database: TestDatabase | null = null;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "fourward-studio-kills-"));
    if (kind === "PostgreSQL") database = await postgresDatabase();
  }, patient);
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (): Promise<Server> =>
    new Promise((done, fail) => {
      const child = spawn(process.execPath, ["--import", "tsx", "test/studio/server-process.ts", folder], {
        ...{ cwd: root, stdio: ["ignore", "pipe", "inherit"] as ["ignore", "pipe", "inherit"] },
        env: { ...process.env, DATABASE_URL: database?.url ?? "", FOURWARD_TEST_LOG: join(folder, "log") },
      });
      let printed = "";
      child.stdout.on("data", (text) => {
        printed += text;
        const port = /port (\d+)/.exec(printed)?.[1];
        if (port) done({ child, port: Number(port) });
      });
      child.on("close", (code) => fail(new Error(`the server ended with ${code}`)));
    });
  const kill = ({ child }: Server, signal: NodeJS.Signals) =>
    new Promise<void>((done) => {
      child.on("close", () => done());
      child.kill(signal);
    });
  const lines = (word: string) => {
    try {
      return readFileSync(join(folder, "log"), "utf8")
        .split("\n")
        .filter((line) => line.startsWith(word));
    } catch {
      return [];
    }
  };
  const until = async (isSo: () => boolean | Promise<boolean>) => {
    while (!(await isSo())) await new Promise((done) => setTimeout(done, 50));
  };

  it(
    `does ${RUNS} runs over a SIGKILL and a polite stop, loses none and repeats none that was done`,
    async () => {
      let server = await start();
      const ids: string[] = [];
      let cookie = "";
      for (let i = 0; i < RUNS; i++) {
        const headers = { "content-type": "application/json", ...(cookie ? { cookie } : {}) };
        const reply = await rawRequest(
          server.port,
          "POST",
          "/api/runs",
          '{"kind":"study","slug":"quick","scale":"smoke"}',
          headers,
        );
        expect(reply.status).toBe(201);
        cookie ||= reply.headers.getSetCookie()[0]?.split(";")[0] ?? "";
        ids.push(reply.json.id);
      }
      const list = async () => (await rawRequest(server.port, "GET", "/api/runs", undefined, { cookie })).json;
      const some = lines("ended").length;
      await until(() => lines("ended").length >= some + 8);
      await kill(server, "SIGKILL");
      const atKill = lines("ended").length;
      expect(atKill).toBeLessThan(RUNS);
      server = await start();
      await until(() => lines("ended").length >= atKill + 8);
      await kill(server, "SIGTERM");
      server = await start();
      await until(async () => {
        const { queued, running } = (await list()).queue;
        return queued + running === 0;
      });
      const { runs } = await list();
      expect(runs.map(({ id }: { id: string }) => id).sort()).toEqual([...ids].sort());
      expect(runs.filter(({ state }: { state: string }) => state !== "done")).toEqual([]);
      // Only what was in hand when the server died was begun again; of that, at most what ended in the same moment ended twice.
      const ended = lines("ended");
      expect(new Set(ended).size).toBe(RUNS);
      expect(ended.length - RUNS).toBeLessThanOrEqual(2);
      expect(lines("began").length + lines("resumed").length).toBeLessThanOrEqual(RUNS + 4);
      await kill(server, "SIGTERM");
    },
    patient,
  );
});
