/** How the peers of the engine are started: threads and linear algebra set alike, and as well as each can. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "../peer.ts";

/** A peer that can be started, or why it cannot. */
export type Found =
  | { readonly id: string; readonly command: Command }
  | { readonly id: string; readonly missing: string };

export const peerIds = ["fourward", "torch", "tfjs", "jax"] as const;
export type PeerId = (typeof peerIds)[number];

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Finds each peer on this machine. */
export function findPeers(ids: readonly PeerId[], threads: number, python?: string): Found[] {
  const script = (file: string): Command => ({
    command: process.execPath,
    args: ["--import", "tsx", here(file)],
    env: { BENCH_THREADS: String(threads) },
  });
  return ids.map((id) => {
    if (id === "fourward") return { id, command: script("fourward.ts") };
    if (id === "tfjs") return { id, command: script("tfjs.ts") };
    if (id === "jax") return { id, command: script("jax.ts") };
    const found = findTorch(python === undefined ? ["python3", "/usr/bin/python3"] : [python]);
    if (found === null) return { id, missing: "PyTorch: skipped, no python3 here can import torch" };
    const libraries = openMpBlas();
    const count = String(threads);
    const env = {
      OMP_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
      ...(libraries === null ? {} : { LD_LIBRARY_PATH: libraries }),
    };
    Object.assign(env, kernelsFor(found, env));
    return { id, command: { command: found, args: [here("torch_peer.py")], env } };
  });
}

/** The first interpreter that has torch and numpy. */
function findTorch(candidates: readonly string[]): string | null {
  const works = (python: string) => spawnSync(python, ["-c", "import torch, numpy"], { timeout: 120_000 }).status === 0;
  return candidates.find(works) ?? null;
}

/**
 * Where Debian keeps the OpenBLAS that shares torch's OpenMP threads. Its default build brings a second pool of threads,
 * which makes torch about half as fast.
 */
function openMpBlas(): string | null {
  if (!existsSync("/usr/lib")) return null;
  const found = readdirSync("/usr/lib")
    .filter((name) => name.endsWith("-linux-gnu"))
    .map((name) => `/usr/lib/${name}/openblas-openmp`)
    .find((path) => existsSync(path));
  return found ?? null;
}

/** Kernels of OpenBLAS that use no more than 128 bits at once. */
const NARROW = ["Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Generic", "Atom", "Opteron", "Barcelona"];

/** Kernels of OpenBLAS by what a processor must have for them, best first. */
const WIDE = [
  ["avx512_bf16", "Cooperlake"],
  ["avx512f", "SkylakeX"],
  ["avx2", "Haswell"],
] as const;

/** The name of the kernels that OpenBLAS takes by itself, printed; nothing if torch uses another library. */
const CORE_NAME = `
import ctypes, os, torch
torch.ones(64, 64) @ torch.ones(64, 64)
with open("/proc/self/maps") as maps:
    paths = {line.split()[-1] for line in maps if "blas" in os.path.basename(line.split()[-1])}
for path in paths:
    name = getattr(ctypes.CDLL(path), "openblas_get_corename", None)
    if name:
        name.restype = ctypes.c_char_p
        print(name().decode())
        break
`;

/**
 * OpenBLAS takes kernels for the oldest processors on one that is newer than itself, with which products took torch five
 * to eight times as long: then it is told which ones to take. What the user has set stays.
 */
function kernelsFor(python: string, env: Readonly<Record<string, string>>): { readonly OPENBLAS_CORETYPE?: string } {
  if (process.env.OPENBLAS_CORETYPE || !existsSync("/proc/cpuinfo")) return {};
  const { stdout } = spawnSync(python, ["-c", CORE_NAME], { env: { ...process.env, ...env }, timeout: 120_000 });
  const chosen = betterKernels(String(stdout).trim(), readFileSync("/proc/cpuinfo", "utf8"));
  return chosen === null ? {} : { OPENBLAS_CORETYPE: chosen };
}

/** The kernels to be taken instead of those that OpenBLAS chose; null if these are no narrower than the processor. */
export function betterKernels(chosen: string, cpuInfo: string): string | null {
  if (!NARROW.some((name) => name.toLowerCase() === chosen.toLowerCase())) return null;
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuInfo)?.[1]?.trim().split(/\s+/));
  return WIDE.find(([flag]) => flags.has(flag))?.[1] ?? null;
}

/** One sentence on the linear algebra that torch has loaded, and whether the comparison is fair with it. */
export function blasText(libraries: readonly string[], kernels?: string): string {
  if (libraries.length === 0) return "linear algebra: could not be told";
  const paths = libraries.map((path) => (existsSync(path) ? realpathSync(path) : path));
  const names = [...new Set(paths)].join(", ");
  const all = names.toLowerCase();
  if (all.includes("openblas") && all.includes("pthread")) {
    return `linear algebra: ${names}. WARNING: the pthread build of OpenBLAS fights with torch's OpenMP threads, so torch looks up to 2x slower than it is; install libopenblas0-openmp`;
  }
  return `linear algebra: ${names}${kernels === undefined ? "" : `, kernels for ${kernels}`}`;
}
