import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const script = fileURLToPath(new URL("../../scripts/install.mjs", import.meta.url));

let checkout = "";
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "fourward-install-"));
  for (const folder of ["scripts", "bin"]) mkdirSync(join(checkout, folder));
  copyFileSync(script, join(checkout, "scripts", "install.mjs"));
  // A stand-in for npm, which notes what it is told to do.
  writeFileSync(join(checkout, "bin", "npm"), `#!/bin/sh\necho "$@" >> npm.log\n`);
  chmodSync(join(checkout, "bin", "npm"), 0o755);
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

const environment = () => ({ ...process.env, PATH: join(checkout, "bin") + delimiter + process.env.PATH });
const install = (...command: string[]) =>
  spawnSync(process.execPath, [join(checkout, "scripts", "install.mjs"), ...command], {
    env: environment(),
    encoding: "utf8",
  });
const npmCalls = () => (existsSync(join(checkout, "npm.log")) ? readFileSync(join(checkout, "npm.log"), "utf8") : "");

/** Writes what the lock file asks for, and what npm noted of its last install. */
function packages(locked: object, installed?: object): void {
  const text = (all: object) => JSON.stringify({ packages: all });
  writeFileSync(join(checkout, "package-lock.json"), text({ "": {}, ...locked }));
  if (!installed) return;
  mkdirSync(join(checkout, "node_modules"));
  writeFileSync(join(checkout, "node_modules", ".package-lock.json"), text(installed));
}

describe("scripts/install.mjs", () => {
  it("installs what is missing, then runs the command with its arguments", () => {
    packages({ "node_modules/a": { version: "1.0.0" } });
    expect(install("node", "-p", "6 * 7")).toMatchObject({ status: 0, stdout: "42\n" });
    expect(npmCalls()).toBe("ci --no-audit --no-fund\n");
  });

  it.each([
    ["nothing if all is there", { a: "1.0.0" }, { a: "1.0.0" }, false],
    ["another version", { a: "1.0.1" }, { a: "1.0.0" }, true],
    ["a new package", { a: "1.0.0", b: "1.0.0" }, { a: "1.0.0" }, true],
  ])("installs %s", (_, locked, installed, expected) => {
    const listed = (versions: Record<string, string>) =>
      Object.fromEntries(Object.entries(versions).map(([name, version]) => [`node_modules/${name}`, { version }]));
    // Packages for other systems are in the lock file and rightly not here.
    packages(
      { ...listed(locked as Record<string, string>), "node_modules/mac": { version: "1.0.0", optional: true } },
      listed(installed as Record<string, string>),
    );
    install("true");
    expect(npmCalls() !== "").toBe(expected);
  });

  it("passes on the exit code of the command, and says if there is no such command", () => {
    packages({}, {});
    expect(install("node", "-e", "process.exit(7)").status).toBe(7);
    expect(install("no-such-command")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("no-such-command could not be started"),
    });
  });

  it("does not run the command if the installation failed", () => {
    packages({ "node_modules/a": { version: "1.0.0" } });
    writeFileSync(join(checkout, "bin", "npm"), "#!/bin/sh\nexit 3\n");
    expect(install("node", "-p", "42")).toMatchObject({ status: 3, stdout: "" });
  });

  it("passes a request to stop on, and waits for the command to end", async () => {
    packages({}, {});
    const slow = `process.on("SIGTERM", () => { console.log("stopping"); process.exit(130); }); console.log("ready"); setTimeout(() => {}, 60000)`;
    const child: ChildProcess = spawn(
      process.execPath,
      [join(checkout, "scripts", "install.mjs"), process.execPath, "-e", slow],
      { env: environment() },
    );
    let printed = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("ready")) child.kill("SIGTERM");
      printed += text;
    });
    const code = await new Promise((done) => child.on("close", done));
    expect({ code, printed }).toEqual({ code: 130, printed: "ready\nstopping\n" });
  });
});
