/** The studio as a running server. */
import { readFileSync } from "node:fs";
import { embeddingOf, type Feed, visitorKey } from "../feed/index.ts";
import type { Library } from "../papers/index.ts";
import { hostInUrl, listen, within } from "../serve/listen.ts";
import { Answers } from "./answers.ts";
import { studioApp } from "./app.ts";
import { fastPath } from "./fast-path.ts";
import { defaultRates, type Rates } from "./guard.ts";
import { startMetrics } from "./metrics.ts";
import type { QueueLimits } from "./runs/queue.ts";
import { type Runner, startRunner } from "./runs/runner.ts";
import { closeSilent } from "./silence.ts";
import { loadSite } from "./site.ts";
import type { Studio } from "./studio.ts";
import { takeTurns } from "./turns.ts";
import { isLoopbackHost } from "./visitor.ts";

export interface StudioOptions {
  readonly feed: Feed;
  readonly library: Library;
  readonly host: string;
  readonly port: number;
  /** What others than users of this machine must show before they start runs; without one they cannot. */
  readonly token?: string;
  /** Believe what a proxy says of where a request comes from. */
  readonly trustProxy?: boolean;
  /** The address that a proxy and letters lead to, e.g. `https://papers.example.org`. */
  readonly site?: string;
  /** Folder of what runs keep and write. */
  readonly runsFolder: string;
  /** Runs at once; 1 by default. */
  readonly concurrency?: number;
  readonly limits?: Partial<QueueLimits>;
  readonly models?: Readonly<Record<string, string>>;
  /** Domain of the address that letters come from; without one nobody can subscribe. */
  readonly mailDomain?: string;
  /** Called when somebody has subscribed, whose letter waits to be sent. */
  readonly onSubscribed?: () => void;
  /** Folder of the client's build. */
  readonly siteFolder?: string;
  /** The module of workers, and their signs of life; see `RunnerOptions`. */
  readonly worker?: URL;
  readonly heartbeatSeconds?: number;
  readonly rates?: Rates;
  /** Seconds in which a request's headers must have come in, and the whole request; 10 and 30 by default. */
  readonly headerSeconds?: number;
  readonly requestSeconds?: number;
  /** Seconds after which a connection whose client is silent is closed; 60 by default. */
  readonly silentSeconds?: number;
  readonly now?: () => Date;
  readonly log?: (line: string) => void;
}

export interface RunningStudio {
  readonly port: number;
  /** Its address on this machine or network. */
  readonly url: string;
  /** Whether there are pages; without a build of the client there is the API alone. */
  readonly hasPages: boolean;
  readonly runner: Runner;
  /** Says that papers or measurements have changed. */
  changed(): void;
  /**
   * Takes no further requests, finishes those it has, and stops runs so that the next server goes on with them; what is not
   * done after `graceSeconds` (10 by default) is ended.
   */
  close(options?: { readonly graceSeconds?: number }): Promise<void>;
}

const LIMITS: QueueLimits = { atOnce: 3, perHour: 20, queued: 200 };

/** Connections at once: more than that are closed at once rather than starve the others. */
const MOST_CONNECTIONS = 4000;

/** Throws one sentence if an access token is one that can be guessed. */
export function checkToken(token: string): void {
  if (token.length < 16)
    throw new Error("studio: --token or FOURWARD_TOKEN: expected at least 16 letters that nobody guesses");
}

/** Starts the studio on an open feed, which stays the caller's to close. Rejects with one sentence if it cannot listen. */
export async function startStudio(options: StudioOptions): Promise<RunningStudio> {
  const { feed, library, host, token, runsFolder, models = {}, log = () => {} } = options;
  if (token !== undefined) checkToken(token);
  const answers = new Answers();
  const client = await loadSite(options.siteFolder);
  const runner = await startRunner({
    ...{ feed, models, log, folder: runsFolder, onMeasured: () => answers.changed() },
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    ...(options.worker ? { worker: options.worker } : {}),
    ...(options.heartbeatSeconds === undefined ? {} : { heartbeatSeconds: options.heartbeatSeconds }),
  });
  const stopping = new AbortController();
  const metrics = startMetrics({ feed, runner });
  const studio: Studio = {
    ...{ feed, runner, runsFolder, models, answers, metrics, site: client, stopping: stopping.signal },
    papers: {
      ...{ db: feed.db, library, embedding: embeddingOf(library), runsHere: options.concurrency !== 0 },
      runsInBrowser: (slug) =>
        client?.runsInBrowser(slug) ?? { can: false, why: "the client has not been built on this server" },
      sampleOf: (slug) => client?.sampleOf(slug),
    },
    access: {
      ...{ token: token ?? null, trustProxy: options.trustProxy ?? false },
      key: await visitorKey(feed.db),
    },
    limits: { ...LIMITS, ...options.limits },
    rates: options.rates ?? defaultRates(),
    mailDomain: options.mailDomain ?? null,
    onSubscribed: options.onSubscribed ?? (() => {}),
    version: versionOfPackage(),
    now: options.now ?? (() => new Date()),
  };
  const hosts = {
    isLoopback: isLoopbackHost(hostInUrl(host)),
    site: options.site === undefined ? null : new URL(options.site).host.toLowerCase(),
  };
  const app = studioApp(studio, { ...hosts, log });
  const open = new Set<Promise<unknown>>();
  const listening = await listen({
    fetch: (request, env) => {
      const answer = Promise.resolve(app.fetch(request, env)).finally(() => open.delete(answer));
      open.add(answer);
      return answer;
    },
    ...{ host, port: options.port, what: "studio" },
    ...{ headerSeconds: options.headerSeconds ?? 10, requestSeconds: options.requestSeconds ?? 30 },
  }).catch(async (error: unknown) => {
    await runner.stop();
    throw error;
  });
  const { server, port } = listening;
  server.maxConnections = MOST_CONNECTIONS;
  fastPath(server, studio, hosts);
  takeTurns(server);
  closeSilent(server, 1000 * (options.silentSeconds ?? 60));
  return {
    ...{ port, runner, hasPages: client !== null },
    url: `http://${hostInUrl(host === "0.0.0.0" || host === "::" ? "localhost" : host)}:${port}`,
    changed: () => answers.changed(),
    async close({ graceSeconds = 10 } = {}) {
      stopping.abort();
      const runs = runner.stop({ graceSeconds });
      // It goes on listening while runs stop: a refusal says more than a closed port.
      await within(Promise.all([...open]), 1000 * graceSeconds);
      await runs;
      await listening.close();
    },
  };
}

const versionOfPackage = (): string =>
  (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;
