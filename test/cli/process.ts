/** Starts the command line as a user does: as a process. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running extends Promise<Ended> {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves once `text` has been printed on standard error; rejects if the process ends before. */
  printed(text: string): Promise<void>;
}

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** The command line over the library of `command-line.ts`, and the one that users have. */
export const scripts = { sample: "test/cli/command-line.ts", real: "src/cli/main.ts" } as const;

/** `fourward <args>` */
export function fourward(args: readonly string[], script: keyof typeof scripts = "sample"): Running {
  const child = spawn(process.execPath, ["--import", "tsx", scripts[script], ...args], { cwd: root });
  let [stdout, stderr] = ["", ""];
  const listeners = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((done, fail) => {
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
  const printed = (text: string) =>
    new Promise<void>((done, fail) => {
      const listener = () => {
        if (stderr.includes(text)) done();
      };
      listeners.add(listener);
      listener();
      void ended.then(() => fail(new Error(`ended without printing "${text}": ${stderr}`)));
    });
  return Object.assign(ended, { child, printed });
}
