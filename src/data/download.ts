/** Downloads that survive cuts: resumed by range, retried with growing waits, over several addresses. */
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileError, isRunning } from "./files.ts";

/** How to download; the defaults suit an ordinary connection. */
export interface DownloadOptions {
  /** Called as bytes arrive; `total` is null if the server does not say. */
  readonly onProgress?: (progress: { file: string; received: number; total: number | null }) => void;
  /** Further fields of the request, such as one that authorizes it. */
  readonly headers?: { readonly [name: string]: string };
  /** Stops the download; what has arrived is kept and resumed by the next call. */
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which a connection counts as dead; 30,000 by default. */
  readonly stallTimeout?: number;
  /** Milliseconds before the first retry, doubled for each further one; 1,000 by default. */
  readonly retryDelay?: number;
}

/** Tries for each address; only failures that may pass (server errors, cut or stalled connections) are retried. */
const tries = 4;

/**
 * Downloads the first of `urls` that works to `target`, where it appears once `check` has accepted it. Gives what
 * `check` made of the file, or a text that names each address and why it failed (so does `check` if it refuses).
 * Throws when the fault is on this side: a disk error, or the caller's own signal.
 */
export async function download(
  urls: readonly string[],
  target: string,
  limits: { readonly maxBytes: number; readonly check: (path: string) => Promise<Uint8Array | string> },
  options: DownloadOptions = {},
): Promise<Uint8Array | string> {
  const part = await claimPart(target);
  const failures: string[] = [];
  for (const url of urls) {
    let result: Received = { failure: "", retry: true };
    for (let attempt = 0; attempt < tries && result.failure !== null && result.retry; attempt++) {
      if (attempt > 0) await wait((options.retryDelay ?? 1000) * 2 ** (attempt - 1), undefined, signalOf(options));
      const kept = await sizeOf(part);
      result = await receive(url, part, limits.maxBytes, options);
      if (result.failure !== null) continue;
      const checked = await limits.check(part);
      if (typeof checked !== "string") {
        await rename(part, target);
        return checked;
      }
      await rm(part, { force: true });
      // Halves of two different files may have been put together: then it is worth a try from the start.
      result = { failure: checked, retry: kept > 0 };
    }
    failures.push(`${new URL(url).host}: ${result.failure}`);
  }
  return failures.join("; ");
}

const signalOf = ({ signal }: DownloadOptions) => (signal ? { signal } : {});

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    (stats) => stats.size,
    () => 0,
  );

/**
 * The file that unfinished bytes go to. It carries this process's number, so that two processes never write the same
 * one; what a dead process left behind is taken over.
 */
async function claimPart(target: string): Promise<string> {
  const folder = dirname(target);
  const part = `${target}.${process.pid}.part`;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("create", folder, error);
  });
  if ((await sizeOf(part)) > 0) return part;
  for (const name of await readdir(folder)) {
    const pid = name.startsWith(`${basename(target)}.`) ? /\.(\d+)\.part$/.exec(name)?.[1] : undefined;
    if (pid === undefined || isRunning(Number(pid))) continue;
    await rename(join(folder, name), part).catch(() => {});
    break;
  }
  return part;
}

type Received = { readonly failure: null } | { readonly failure: string; readonly retry: boolean };

/** Adds the rest of `url` to `part`. Network failures are results; disk failures and the caller's signal throw. */
async function receive(url: string, part: string, maxBytes: number, options: DownloadOptions): Promise<Received> {
  const start = await sizeOf(part);
  const stall = new AbortController();
  const stallTimeout = options.stallTimeout ?? 30_000;
  const timer = setTimeout(() => stall.abort(), stallTimeout);
  let file: FileHandle | null = null;
  try {
    const response = await fetch(url, {
      // Identity: byte ranges of a stream that is packed on the way would not mean bytes of the file.
      headers: {
        ...options.headers,
        "accept-encoding": "identity",
        ...(start > 0 ? { range: `bytes=${start}-` } : {}),
      },
      signal: options.signal ? AbortSignal.any([stall.signal, options.signal]) : stall.signal,
    });
    const resumes = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${start}-`);
    if (response.status !== 200 && !resumes) {
      await response.body?.cancel();
      // The server has nothing after what we have, or sends another part than we asked for: start over.
      if ([206, 416].includes(response.status)) await rm(part, { force: true });
      const retry = response.status >= 500 || [206, 408, 416, 429].includes(response.status);
      return { failure: `answered ${response.status} ${response.statusText}`.trim(), retry };
    }
    file = await onDisk(part, open(part, resumes ? "a" : "w"));
    let received = resumes ? start : 0;
    const length = response.headers.get("content-length");
    const total = length === null ? null : received + Number(length);
    for await (const chunk of response.body ?? []) {
      timer.refresh();
      received += chunk.length;
      if (received > maxBytes) {
        await rm(part, { force: true });
        return { failure: `sends more than the ${maxBytes} bytes expected`, retry: false };
      }
      await onDisk(part, file.writeFile(chunk));
      options.onProgress?.({ file: basename(new URL(url).pathname), received, total });
    }
    await onDisk(part, file.sync());
    return { failure: null };
  } catch (error) {
    if (error instanceof DiskError) throw error.cause;
    options.signal?.throwIfAborted();
    if (stall.signal.aborted) return { failure: `sent nothing for ${stallTimeout / 1000} s`, retry: true };
    const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
    // Without a name server or a listener waiting does not help, and being offline should be told at once.
    const unreachable = ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"].includes(code ?? "");
    return unreachable
      ? { failure: `cannot be reached (${code})`, retry: false }
      : { failure: `the connection was cut (${code ?? (error as Error).message})`, retry: true };
  } finally {
    clearTimeout(timer);
    await file?.close();
  }
}

/** Sets failures of the disk apart, which another address or another try would not cure. */
class DiskError extends Error {}

const onDisk = <T>(path: string, work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw new DiskError("disk", { cause: fileError("write", path, error) });
  });
