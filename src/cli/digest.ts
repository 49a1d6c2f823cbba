/** `fourward digest` */
import { readFile } from "node:fs/promises";
import { Hono } from "hono";
import { fileError } from "../data/index.ts";
import {
  domainOf,
  type MailSettings,
  type Outcome,
  scheduleDigests,
  sendDue,
  startDigests,
  subscriptionRoutes,
  takeMailReport,
} from "../feed/digest/index.ts";
import { type Feed, syncCatalogue } from "../feed/index.ts";
import type { Library } from "../papers/index.ts";
import { hostInUrl, listen } from "../serve/listen.ts";
import { openWithNotice } from "./feed.ts";
import { listenForInterrupts } from "./interrupt.ts";

export interface DigestFlags {
  readonly once?: boolean;
  readonly daemon?: boolean;
  /** A file with a report of a mail server, or `-`. */
  readonly report?: string;
  readonly smtp?: string;
  readonly from?: string;
  readonly base?: string;
  /** `domain:selector:file` */
  readonly dkim?: string;
  readonly host: string;
  readonly port: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Writes and sends digests that are due, once or until it is told to stop; or takes a mail server's report. */
export async function digest(library: Library, flags: DigestFlags): Promise<void> {
  if ([flags.once, flags.daemon, flags.report].filter(Boolean).length !== 1)
    throw new Error("digest: expected one of --once, --daemon and --report <file>");
  const report = flags.report === undefined ? null : await readReport(flags.report);
  const mail = report === null ? await mailSettings(flags) : null;
  const feed = await openWithNotice(flags.quiet);
  try {
    if (report !== null) {
      const outcome = await takeMailReport(feed.db, report);
      process.stdout.write(flags.json ? `${JSON.stringify({ outcome })}\n` : `${outcome}\n`);
      return;
    }
    await syncCatalogue(feed.db, library, { quick: true });
    if (flags.once) await sendOnce(feed, mail as MailSettings, flags);
    else await sendForever(feed, mail as MailSettings, flags);
  } finally {
    await feed.close();
  }
}

async function sendOnce(feed: Feed, mail: MailSettings, flags: DigestFlags): Promise<void> {
  const interrupts = listenForInterrupts(() => process.stderr.write("stopping after the letter in hand\n"));
  try {
    const written = await scheduleDigests(feed.db, { now: new Date(), domain: domainOf(mail) });
    const sent = await sendDue(feed.db, { mail, signal: interrupts.signal });
    if (flags.json) process.stdout.write(`${JSON.stringify({ written, ...sent })}\n`);
    else if (!flags.quiet) process.stdout.write(`${outcomeText({ written, ...sent })}\n`);
    if (sent.later > 0) process.exitCode = 1;
  } finally {
    interrupts.release();
  }
}

const outcomeText = ({ written, sent, failed, later, problem }: Outcome): string =>
  [
    `digests written: ${written}; letters sent: ${sent}`,
    ...(failed > 0 ? [`refused: ${failed}`] : []),
    ...(later > 0 ? [`to be tried again: ${later} (${problem})`] : []),
  ].join("; ");

/** Every minute what is due; beside it the pages that letters lead to. */
async function sendForever(feed: Feed, mail: MailSettings, flags: DigestFlags): Promise<void> {
  const app = new Hono().route("/subscription", subscriptionRoutes({ db: feed.db, domain: domainOf(mail) }));
  const server = await listen({ fetch: app.fetch, host: flags.host, port: flags.port, what: "digest" });
  process.stdout.write(
    `subscriptions at http://${hostInUrl(flags.host)}:${server.port}/subscription; Ctrl-C ends it\n`,
  );
  const daemon = startDigests({ db: feed.db, mail, ...digestLog(flags.quiet) });
  await new Promise<void>((done) => {
    const interrupts = listenForInterrupts(() => {
      process.stderr.write("stopping after the letter in hand; press again to stop at once\n");
      void daemon.stop().then(() => {
        interrupts.release();
        done();
      });
    });
  });
  await server.close();
}

/** Lines about what a sender of digests does, with their time. */
export const digestLog = (quiet: boolean | undefined) => ({
  onOutcome: (outcome: Outcome) => {
    if (!quiet) process.stdout.write(`${new Date().toISOString()} ${outcomeText(outcome)}\n`);
  },
  onProblem: (error: unknown) => {
    process.stderr.write(`${new Date().toISOString()} ${error instanceof Error ? error.message : error}\n`);
  },
});

/**
 * How mail leaves, from flags and the environment. Throws one sentence for what is missing, which names the verb and what
 * the site is called there.
 */
export async function mailSettings(
  flags: Pick<DigestFlags, "smtp" | "from" | "base" | "dkim">,
  { verb, site } = { verb: "digest", site: "--base" },
): Promise<MailSettings> {
  const smtp = flags.smtp ?? process.env.FOURWARD_SMTP;
  const from = flags.from ?? process.env.FOURWARD_MAIL_FROM;
  const base = (flags.base ?? process.env.FOURWARD_SITE)?.replace(/\/+$/, "");
  const dkim = flags.dkim ?? process.env.FOURWARD_DKIM;
  if (smtp === undefined || !/^smtps?:$/.test(URL.canParse(smtp) ? new URL(smtp).protocol : ""))
    throw new Error(`${verb}: --smtp or FOURWARD_SMTP: expected a mail server such as smtp://user:password@host:587`);
  if (from === undefined || !/^[^\s@<>]+@[^\s@<>]+$/.test(from))
    throw new Error(`${verb}: --from or FOURWARD_MAIL_FROM: expected an address such as digest@example.org`);
  if (base === undefined || !/^https?:$/.test(URL.canParse(base) ? new URL(base).protocol : ""))
    throw new Error(
      `${verb}: ${site} or FOURWARD_SITE: expected the site that links lead to, e.g. https://papers.example.org`,
    );
  if (dkim === undefined) return { smtp, from, base };
  const [, domainName, keySelector, file] = /^([^:]+):([^:]+):(.+)$/.exec(dkim) ?? [];
  if (!domainName || !keySelector || !file)
    throw new Error(`${verb}: --dkim or FOURWARD_DKIM: expected domain:selector:file of a private key in PEM`);
  const privateKey = await readFile(file, "utf8").catch((error: unknown) => {
    throw fileError("read the DKIM key", file, error);
  });
  return { smtp, from, base, dkim: { domainName, keySelector, privateKey } };
}

async function readReport(path: string): Promise<string> {
  if (path !== "-")
    return readFile(path, "utf8").catch((error: unknown) => {
      throw fileError("read the report", path, error);
    });
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}
