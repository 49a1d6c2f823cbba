/** The files of a page's data address, which its `files.json` lists: they stand below `/data`, and nothing writes there. */

/** A file that is served: its path below the address, its length, and the SHA-256 of its bytes in hexadecimal. */
export interface ServedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The folder in which they stand. */
export const SERVED = "/data";

let base = "";
const served = new Map<string, ServedFile>();

/**
 * Makes the files of a data address readable; those of an earlier one no longer are. Rejects with one sentence if there
 * is no list of files at `<address>/files.json`.
 */
export async function serveFrom(address: string): Promise<void> {
  base = new URL(address.endsWith("/") ? address : `${address}/`, globalThis.location.href).href;
  const list = JSON.parse(new TextDecoder().decode(await fetched(`${base}files.json`))) as readonly ServedFile[];
  served.clear();
  for (const file of list) served.set(`${SERVED}/${file.path}`, file);
}

export const isServed = (path: string): boolean => served.has(path);
export const servedSize = (path: string): number | undefined => served.get(path)?.bytes;
export const servedBelow = (path: string): readonly string[] =>
  [...served.keys()].filter((name) => name.startsWith(path === "/" ? "/" : `${path}/`));

/** The bytes of a served file; rejects with one sentence if they cannot be had or are not those of the list. */
export async function readServed(path: string): Promise<Uint8Array> {
  const file = served.get(path) as ServedFile;
  const address = base + file.path.split("/").map(encodeURIComponent).join("/");
  const bytes = await fetched(address);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (sha256 === file.sha256) return bytes;
  throw new Error(
    `${address} is not the file of the list: expected SHA-256 ${file.sha256}, got ${sha256}; write the data folder anew`,
  );
}

async function fetched(address: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address).catch((error: unknown) => {
    throw new Error(`${address} could not be fetched (${(error as Error).message})`, { cause: error });
  });
  if (!response.ok) throw new Error(`${address} could not be fetched: the server answers ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
