/** The process of a run, as its server sees it. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FromWorker, ToWorker, WorkOrder } from "./messages.ts";

/** How a worker ended: with a word, or without one. */
export type WorkerEnd =
  | Extract<FromWorker, { readonly kind: "done" | "failed" | "stopped" }>
  | { readonly kind: "died"; readonly how: string };

type Said = Extract<FromWorker, { readonly kind: "progress" | "figure" | "note" }>;

export interface Worker {
  readonly ended: Promise<WorkerEnd>;
  /** Asks it to stop, and kills it if it has not after so many seconds. */
  stop(graceSeconds: number): void;
  kill(): void;
}

const fromSource = import.meta.url.endsWith(".ts");
const ownWorker = new URL(fromSource ? "./worker.ts" : "./worker.js", import.meta.url);

/** Letters of figures and notes that are kept of a run; its report has all of them. */
const MOST_SAID = 16 * 2 ** 20;

/** Starts a process that does a run. */
export function startWorker(module: URL = ownWorker, order: WorkOrder, say: (message: Said) => void): Worker {
  const child = fork(fileURLToPath(module), {
    // In a checkout the sources run as they are.
    execArgv: module.pathname.endsWith(".ts") ? ["--import", import.meta.resolve("tsx")] : [],
    // The token and passwords of the server are none of a study's business.
    env: withoutSecrets(process.env),
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "json",
  });
  let last: WorkerEnd | null = null;
  let complaint = "";
  let said = 0;
  let timer: NodeJS.Timeout | undefined;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  const send = (message: ToWorker): void => {
    if (child.connected) child.send(message, () => {});
  };
  child.on("message", (message: FromWorker) => {
    switch (message.kind) {
      case "ready":
        send({ kind: "start", order });
        break;
      case "progress":
        say(message);
        break;
      case "figure":
      case "note":
        said += JSON.stringify(message).length;
        if (said <= MOST_SAID) say(message);
        break;
      default:
        last = message;
    }
  });
  const ended = new Promise<WorkerEnd>((done) => {
    child.on("error", (error) => {
      complaint = error.message;
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const lines = complaint.trim().split("\n");
      const why = lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? "";
      done(last ?? { kind: "died", how: `${signal ?? `code ${code}`}${why === "" ? "" : ` (${why.trim()})`}` });
    });
  });
  return {
    ended,
    stop(graceSeconds) {
      send({ kind: "stop" });
      timer ??= setTimeout(() => child.kill("SIGKILL"), 1000 * graceSeconds);
    },
    kill: () => child.kill("SIGKILL"),
  };
}

const SECRETS = ["FOURWARD_TOKEN", "FOURWARD_SMTP", "FOURWARD_DKIM", "DATABASE_URL"];

const withoutSecrets = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !SECRETS.includes(name)));
