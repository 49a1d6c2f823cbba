/** Repositories of the Hugging Face hub: their files listed, downloaded and checked. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { listFiles } from "@huggingface/hub";
import { type DownloadOptions, download } from "./download.ts";
import { fileError, sha256File } from "./files.ts";

/** A repository by its owner and name. */
export interface HubRepo {
  readonly type: "dataset" | "model";
  readonly name: string;
}

/** A file that the hub lists, with what says that it arrived whole. */
export interface HubEntry {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of a large file; the hash that Git has for a small one. */
  readonly hash: { readonly kind: "sha256" | "git"; readonly hex: string };
}

/** Where the hub is: `HF_ENDPOINT`, as other tools of the hub have it, or the public one. */
export function hubEndpoint(): string {
  const address = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  if (URL.canParse(address)) return address;
  throw new Error(`HF_ENDPOINT: expected the address of a hub such as https://huggingface.co, got ${address}`);
}

/** The token that opens repositories with conditions, from `HF_TOKEN`. */
const accessToken = (): { readonly accessToken?: string } =>
  process.env.HF_TOKEN ? { accessToken: process.env.HF_TOKEN } : {};

/** The hub's address as people see it: of a repository, or a place in it. */
export const hubPage = ({ type, name }: HubRepo, path = ""): string =>
  `https://huggingface.co/${type === "dataset" ? "datasets/" : ""}${name}${path === "" ? "" : `/tree/main/${path}`}`;

/** Where a file is downloaded from. */
export const hubAddress = ({ type, name }: HubRepo, path: string): string =>
  `${hubEndpoint()}/${type === "dataset" ? "datasets/" : ""}${name}/resolve/main/${path.split("/").map(encodeURIComponent).join("/")}`;

/** Why something of the hub could not be had, in words that stand behind "the hub". */
export function hubReason(error: unknown): string {
  const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
  const host = new URL(hubEndpoint()).host;
  return cause ? `${host} cannot be reached (${cause.code ?? cause.message})` : `${host} answered: ${message}`;
}

/** The files of a repository, or of a folder of it. Rejects as `fetch` does, or with what the hub answered. */
export async function hubFiles(repo: HubRepo, folder: string, options: DownloadOptions): Promise<readonly HubEntry[]> {
  const files: HubEntry[] = [];
  const { signal } = options;
  const listed = listFiles({
    repo,
    ...(folder === "" ? {} : { path: folder }),
    hubUrl: hubEndpoint(),
    ...accessToken(),
    fetch: (address, init) => fetch(address, { ...init, ...(signal ? { signal } : {}) }),
  });
  for await (const { type, path, size, oid, lfs } of listed) {
    // A path becomes a path in the cache, which it must not leave.
    const inside = (folder === "" || path.startsWith(`${folder}/`)) && !path.split("/").includes("..");
    if (type !== "file" || !inside) continue;
    files.push({
      path,
      size: lfs?.size ?? size,
      hash: lfs ? { kind: "sha256", hex: lfs.oid } : { kind: "git", hex: oid ?? "" },
    });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Downloads a file to `target`, where it appears once its hash is the one that the hub lists. Gives null, or a text that
 * says why not. A download that was cut is continued by the next call.
 */
export async function downloadHubFile(
  repo: HubRepo,
  { path, size, hash }: HubEntry,
  target: string,
  options: DownloadOptions,
): Promise<string | null> {
  const check = async (part: string): Promise<Uint8Array | string> => {
    const found = hash.kind === "sha256" ? await sha256File(part) : await gitHash(part);
    return found === hash.hex
      ? new Uint8Array()
      : `expected ${hash.kind === "git" ? "the Git hash" : "SHA-256"} ${hash.hex}, got ${found}`;
  };
  const { HF_TOKEN } = process.env;
  const headers = HF_TOKEN ? { authorization: `Bearer ${HF_TOKEN}` } : {};
  const result = await download([hubAddress(repo, path)], target, { maxBytes: size, check }, { ...options, headers });
  return typeof result === "string" ? result : null;
}

/** The hash under which Git keeps a file. */
async function gitHash(path: string): Promise<string> {
  const { size } = await stat(path);
  const hash = createHash("sha1").update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Makes a folder and those above it. */
export const makeFolder = (folder: string): Promise<unknown> =>
  mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });
