// Installs dependencies if they are missing or not the ones of package-lock.json, then runs the command that follows.
// It uses Node alone, since it runs before anything is installed.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Fourward needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

// Signals go to the command; this process waits for it, so that what it has to say comes before the prompt.
let child;
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child?.kill(signal));

if (!isInstalled()) {
  console.error("Installing dependencies (once)...");
  await run("npm", ["ci", "--no-audit", "--no-fund"]);
}

const [command, ...args] = process.argv.slice(2);
if (command) await run(command, args);

/** Whether npm's record of the last install has every package of the lock file in its version. */
function isInstalled() {
  try {
    const packagesOf = (path) => JSON.parse(readFileSync(join(root, path), "utf8")).packages;
    const installed = packagesOf("node_modules/.package-lock.json");
    return Object.entries(packagesOf("package-lock.json")).every(
      ([path, { version, optional }]) =>
        path === "" || (path in installed ? installed[path].version === version : optional),
    );
  } catch {
    return false;
  }
}

/** Runs a command in the root of the checkout; ends this process with its exit code if it fails. */
function run(name, list) {
  return new Promise((done) => {
    child = spawn(name, list, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
    child.on("error", (error) => {
      console.error(`${name} could not be started: ${error.message}`);
      process.exit(1);
    });
    child.on("exit", (code, signal) => {
      if (code === 0) done();
      else process.exit(signal ? 130 : code);
    });
  });
}
