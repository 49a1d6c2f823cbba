/** A peer: a child process that lives through a whole comparison, sets jobs up and times them; it speaks lines of JSON. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** One way in which a peer does a job, e.g. step by step or many steps in one graph. */
export interface Entrant {
  readonly id: string;
  /** What is timed, in a few words. */
  readonly label: string;
  /** Steps are done in multiples of this. */
  readonly multiple: number;
  /** Losses of the first steps, or other results: by these peers prove that they compute the same. */
  readonly check: readonly number[];
  /** How far these may be off, if rounding its weights is what it is about; as all others by default. */
  readonly tolerance?: number;
}

/** What a peer says of itself. `threads` is what its kernels use. */
export interface PeerFacts {
  readonly name: string;
  readonly version: string;
  readonly threads: number;
  /** Shared libraries that do its matrix products, where it can tell. */
  readonly blas?: readonly string[];
  /** The processor that their kernels were made for, where they can tell. */
  readonly kernels?: string;
  readonly notes?: readonly string[];
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** How long a process may take to end when it is told to. */
const CLOSE_MS = 10_000;

type Reply = { readonly error?: string } & Readonly<Record<string, unknown>>;

export class Peer {
  readonly #child: ChildProcess;
  #answer: ((reply: Reply) => void) | null = null;
  #errors = "";
  #ended: string | null = null;

  constructor({ command, args, env = {} }: Command) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr?.on("data", (text: Buffer) => {
      this.#errors = (this.#errors + text).slice(-4000);
    });
    this.#child.stdin?.on("error", () => undefined);
    this.#child.on("error", (error) => this.#end(`could not be started: ${error.message}`));
    this.#child.on("close", (code, signal) => {
      const last = this.#errors.trim().split("\n").at(-1) ?? "";
      this.#end(`ended with ${signal ?? `code ${code}`}${last === "" ? "" : `: ${last}`}`);
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      // Libraries print banners; only objects are replies.
      if (line.startsWith("{")) this.#reply(JSON.parse(line) as Reply);
    });
  }

  #reply(reply: Reply): void {
    const answer = this.#answer;
    this.#answer = null;
    answer?.(reply);
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#reply({ error: reason });
  }

  /** False once the process has ended, whatever the reason. */
  get isAlive(): boolean {
    return this.#ended === null;
  }

  /** Sends a request and waits for its reply; rejects if the peer reports an error, ends, or takes too long. */
  async ask(request: object, limitMs: number): Promise<Reply> {
    if (this.#ended !== null) throw new Error(this.#ended);
    let timer: NodeJS.Timeout | undefined;
    const reply = await new Promise<Reply>((resolve) => {
      this.#answer = resolve;
      timer = setTimeout(() => {
        this.#answer = null;
        this.#ended = `no answer within ${limitMs / 1000} s`;
        this.#child.kill("SIGKILL");
        resolve({ error: this.#ended });
      }, limitMs);
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
    clearTimeout(timer);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }

  async describe(limitMs: number): Promise<PeerFacts> {
    return (await this.ask({ op: "describe" }, limitMs)) as unknown as PeerFacts;
  }

  /** Loads a job, does its first steps and says in which ways it can be timed. */
  async setUp(job: object, limitMs: number): Promise<readonly Entrant[]> {
    return (await this.ask({ op: "setup", job }, limitMs)).entrants as readonly Entrant[];
  }

  /** Milliseconds that so many steps take, from the state at the start of the job. */
  async time(entrant: string, steps: number, limitMs: number): Promise<number> {
    return (await this.ask({ op: "time", entrant, steps }, limitMs)).ms as number;
  }

  /** Tells the process to end, and makes it where it does not: this one cannot end before. */
  close(): void {
    this.#child.stdin?.end();
    this.#child.kill();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), CLOSE_MS);
    this.#child.once("close", () => clearTimeout(timer));
    if (!this.isAlive) clearTimeout(timer);
  }
}
