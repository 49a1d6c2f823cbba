// Installs dependencies if they are missing or older than package-lock.json, then runs the command that follows.
// It uses Node alone, since it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Fourward needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

// npm writes this file at the end of each install.
const installed = join(root, "node_modules", ".package-lock.json");
const lock = join(root, "package-lock.json");
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  console.error("Installing dependencies (once)...");
  run("npm", ["ci", "--no-audit", "--no-fund"]);
}

const [command, ...args] = process.argv.slice(2);
if (command) run(command, args);

function run(name, list) {
  const { status, error, signal } = spawnSync(name, list, {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (error) {
    console.error(`${name} could not be started: ${error.message}`);
    process.exit(1);
  }
  if (signal) process.exit(130);
  if (status) process.exit(status);
}
