/** `fourward studio` */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Cron } from "croner";
import { type Daemon, domainOf, startDigests } from "../feed/digest/index.ts";
import { embeddingOf, type Feed, feedFolder, refreshFeed, syncCatalogue, takeReports } from "../feed/index.ts";
import { EMBEDDED_MODEL } from "../models/embedded.ts";
import type { Library } from "../papers/index.ts";
import { checkAddress } from "../serve/listen.ts";
import { checkToken, type RunningStudio, startStudio } from "../studio/server.ts";
import { commandPrefix } from "./command.ts";
import { digestLog, mailSettings } from "./digest.ts";
import { openWithNotice } from "./feed.ts";
import { listenForInterrupts } from "./interrupt.ts";

export interface StudioFlags {
  readonly host: string;
  readonly port: number;
  readonly token?: string;
  readonly trustProxy?: boolean;
  /** The address that a proxy and letters lead to. */
  readonly site?: string;
  readonly open?: boolean;
  /** Runs at once. */
  readonly runs: number;
  /** Folder of runs. */
  readonly out?: string;
  /** Folder of reports of `fourward run`. */
  readonly reports: string;
  /** Folders of models that visitors may probe and convert. */
  readonly models?: readonly string[];
  /** Hours between two looks at arXiv and Hugging Face. */
  readonly refresh?: number;
  readonly smtp?: string;
  readonly from?: string;
  readonly dkim?: string;
  /** Seconds. */
  readonly grace: number;
  readonly quiet?: boolean;
}

/** What the studio's options for mail are called. */
const STUDIO = { verb: "studio", site: "--site" };

/** Serves the studio until it is told to stop; runs in hand go on with the next start. */
export async function studio(library: Library, flags: StudioFlags): Promise<void> {
  const site = siteOf(flags.site ?? process.env.FOURWARD_SITE);
  const models = modelFolders(flags.models);
  if (flags.refresh !== undefined && !(flags.refresh > 0))
    throw new Error(`studio: --refresh ${flags.refresh}: expected hours above 0`);
  const sendsMail = (flags.smtp ?? process.env.FOURWARD_SMTP) !== undefined;
  const mail = sendsMail
    ? await mailSettings({ ...flags, ...(site === undefined ? {} : { base: site }) }, STUDIO)
    : null;
  const token = flags.token ?? process.env.FOURWARD_TOKEN;
  if (token) checkToken(token);
  await checkAddress({ host: flags.host, port: flags.port, what: "studio" });
  const log = (line: string): void => {
    if (!flags.quiet) process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  };
  // All that is wrong with what was asked for has been said by now: nothing was made or changed for it.
  const feed = await openWithNotice(flags.quiet);
  let daemon: Daemon | null = null;
  try {
    await syncCatalogue(feed.db, library, { quick: true });
    for (const broken of (await takeReports(feed.db, flags.reports)).broken) log(`left out ${broken}`);
    const server = await startStudio({
      ...{ feed, library, models, log, host: flags.host, port: flags.port, concurrency: flags.runs },
      runsFolder: flags.out ?? join(feedFolder(), "runs"),
      ...(token ? { token } : {}),
      ...(flags.trustProxy ? { trustProxy: true } : {}),
      ...(site === undefined ? {} : { site }),
      ...(mail ? { mailDomain: domainOf(mail), onSubscribed: () => daemon?.kick() } : {}),
    });
    daemon = mail ? startDigests({ db: feed.db, mail, ...digestLog(flags.quiet) }) : null;
    const refreshing = flags.refresh === undefined ? null : refreshEvery(flags.refresh, feed, library, server, log);
    process.stdout.write(`the studio is at ${server.url}; Ctrl-C ends it\n`);
    if (!server.hasPages)
      process.stderr.write("there are no pages yet, only the API: npm run build:studio builds them\n");
    if (flags.open) openInBrowser(server.url);
    await new Promise<void>((done) => {
      const interrupts = listenForInterrupts(() => {
        process.stderr.write(
          `finishing requests and stopping runs, which ${commandPrefix()} studio goes on with; press again to stop at once\n`,
        );
        void Promise.all([server.close({ graceSeconds: flags.grace }), daemon?.stop(), refreshing?.()]).then(() => {
          interrupts.release();
          done();
        });
      });
    });
  } finally {
    await feed.close();
  }
}

function siteOf(site: string | undefined): string | undefined {
  if (!site) return undefined;
  if (!URL.canParse(site) || !/^https?:$/.test(new URL(site).protocol))
    throw new Error("studio: --site or FOURWARD_SITE: expected an address such as https://papers.example.org");
  return site;
}

/** Folders of models by the names of their last parts. */
function modelFolders(folders: readonly string[] = []): Readonly<Record<string, string>> {
  const models: Record<string, string> = {};
  for (const given of folders) {
    const folder = resolve(given);
    const name = basename(folder);
    if (!existsSync(join(folder, "config.json")))
      throw new Error(`studio: --models ${given}: there is no config.json in it; is it the folder of a model?`);
    if (!/^[\w.-]{1,100}$/.test(name))
      throw new Error(`studio: --models ${given}: expected a folder whose name has letters, digits, . _ and - only`);
    if (name === EMBEDDED_MODEL || Object.hasOwn(models, name))
      throw new Error(
        `studio: --models ${given}: there is another model of the name ${name}; rename one of the folders`,
      );
    models[name] = folder;
  }
  return models;
}

/** Looks for new papers now and every so many hours; gives what ends that. */
function refreshEvery(
  hours: number,
  feed: Feed,
  library: Library,
  server: RunningStudio,
  log: (line: string) => void,
): () => Promise<void> {
  const abort = new AbortController();
  const look = async (): Promise<void> => {
    try {
      const sources = await refreshFeed(feed.db, embeddingOf(library), { days: 3, signal: abort.signal });
      for (const { source, added, failure } of sources)
        log(`${source}: ${failure ?? `${added} new ${added === 1 ? "paper" : "papers"}`}`);
      server.changed();
    } catch (error) {
      if (!abort.signal.aborted) log(`new papers: ${error instanceof Error ? error.message : error}`);
    }
  };
  let looking = look();
  const job = new Cron("* * * * *", { protect: true, interval: Math.round(3600 * hours) }, () => {
    looking = looking.then(look);
    return looking;
  });
  return () => {
    abort.abort();
    job.stop();
    return looking;
  };
}

/** Opens the system's browser; without one the address has been printed. */
function openInBrowser(url: string): void {
  const [program, ...before] =
    process.platform === "darwin" ? ["open"] : process.platform === "win32" ? ["cmd", "/c", "start", ""] : ["xdg-open"];
  spawn(program as string, [...before, url], { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}
