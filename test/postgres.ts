/**
 * A PostgreSQL server for tests: the one that `FOURWARD_TEST_POSTGRES` names, else a temporary one of the program that is
 * on this machine. That one starts when the first test asks for it, and ends with the run of tests, however that ends.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { chown } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { TestProject } from "vitest/node";

/** Where tests get the address of a server. */
export interface PostgresForTests {
  /** Answers with the address once the server is up; null: there is none. */
  readonly broker: string | null;
  /** Why there is none. */
  readonly why: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgres: PostgresForTests;
  }
}

const run = promisify(execFile);
/** Folders of Debian's packages, which are not on the path. */
const DEBIAN = "/usr/lib/postgresql";

/** Folders that have the programs of a server which has pgvector. */
function programFolders(): string[] {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const all = [...(process.env.PATH ?? "").split(delimiter), ...debian.map((version) => join(DEBIAN, version, "bin"))];
  return all.filter((folder) => folder && ["postgres", "initdb"].every((name) => existsSync(join(folder, name))));
}

function hasVector(folder: string): boolean {
  try {
    const config = existsSync(join(folder, "pg_config")) ? join(folder, "pg_config") : "pg_config";
    const shared = execFileSync(config, ["--sharedir"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return existsSync(join(shared.trim(), "extension", "vector.control"));
  } catch {
    return false;
  }
}

/** The server refuses to run as root: then it runs as the user that packages make for it, or as nobody. */
function userForServer(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"])
    try {
      const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, name], { encoding: "utf8" })));
      return { uid: uid as number, gid: gid as number };
    } catch {}
  return undefined;
}

const freePort = (): Promise<number> =>
  new Promise((done, fail) => {
    const server = createTcpServer().on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });

/**
 * Runs the server, and ends it and removes its files when standard input closes: also when whoever started it was killed.
 * `$1` is the folder, the rest the command.
 */
const KEEPER = 'folder=$1; shift; "$@" & read -r _; kill -INT $! 2>/dev/null; wait $!; rm -rf "$folder"';

interface Started {
  readonly url: string;
  stop(): Promise<void>;
}

async function startServer(programs: string): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "fourward-postgres-"));
  const user = userForServer();
  if (user) await chown(folder, user.uid, user.gid);
  const [data, password] = [join(folder, "data"), randomBytes(12).toString("hex")];
  const secret = join(folder, "password");
  writeFileSync(secret, password);
  if (user) await chown(secret, user.uid, user.gid);
  await run(
    join(programs, "initdb"),
    ["-D", data, "-U", "fourward", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync"],
    { ...user, cwd: folder },
  );
  const port = await freePort();
  const url = `postgres://fourward:${password}@127.0.0.1:${port}/postgres`;
  // Tests lose nothing that matters when the machine fails.
  const settings = {
    ...{ port, listen_addresses: "127.0.0.1", unix_socket_directories: folder, max_connections: 200 },
    ...{ fsync: "off", full_page_writes: "off", synchronous_commit: "off", shared_buffers: "32MB" },
  };
  const command = [join(programs, "postgres"), "-D", data];
  for (const [name, value] of Object.entries(settings)) command.push("-c", `${name}=${value}`);
  // A group of its own: Ctrl-C on a terminal would reach it before the tests that use it.
  const keeper = spawn("sh", ["-c", KEEPER, "sh", folder, ...command], {
    ...{ ...user, cwd: folder, detached: true, stdio: ["pipe", "ignore", "pipe"] },
  });
  let said = "";
  keeper.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const stop = (): Promise<void> => ended(keeper, folder);
  for (const until = Date.now() + 60_000; ; ) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return { url, stop };
    } catch (error) {
      if (keeper.exitCode !== null || Date.now() > until) {
        await stop();
        throw new Error(`PostgreSQL for tests did not start (${(error as Error).message}): ${said}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

async function ended(keeper: ChildProcess, folder: string): Promise<void> {
  const gone = new Promise<void>((done) => {
    if (keeper.exitCode !== null || keeper.signalCode !== null) done();
    else keeper.on("close", () => done());
  });
  keeper.stdin?.end();
  await gone;
  // The keeper may not remove what is in a folder of root's.
  rmSync(folder, { recursive: true, force: true });
}

/** Vitest calls it before all tests, in its own process. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.FOURWARD_TEST_POSTGRES;
  const found = programFolders();
  const programs = found.find(hasVector);
  if (!given && !programs) {
    const why =
      found.length > 0
        ? `the PostgreSQL in ${found[0]} has no pgvector`
        : "no PostgreSQL on this machine, and FOURWARD_TEST_POSTGRES names none";
    project.provide("postgres", { broker: null, why });
    console.warn(`tests on PostgreSQL are left out: ${why}`);
    return async () => {};
  }
  let starting: Promise<Started> | undefined;
  const broker: Server = createServer(async (_, response) => {
    try {
      starting ??= given ? Promise.resolve({ url: given, stop: async () => {} }) : startServer(programs as string);
      response.end((await starting).url);
    } catch (error) {
      response.writeHead(500).end((error as Error).message);
    }
  });
  // A first start takes as long as it takes on a busy machine.
  broker.setTimeout(0);
  await new Promise<void>((done) => broker.listen(0, "127.0.0.1", done));
  broker.unref();
  const { port } = broker.address() as AddressInfo;
  project.provide("postgres", { broker: `http://127.0.0.1:${port}`, why: "" });
  return async () => {
    broker.closeAllConnections();
    broker.close();
    await starting?.then(({ stop }) => stop()).catch(() => {});
  };
}
