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
  /**
   * Resolves once this has been printed, on standard error if it is text, with the first group of a pattern; rejects if
   * the process ends before.
   */
  printed(text: string | RegExp, where?: "stdout" | "stderr"): Promise<string>;
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
    for (const listener of listeners) listener();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((done, fail) => {
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
  const printed: Running["printed"] = (text, where = typeof text === "string" ? "stderr" : "stdout") =>
    new Promise((done, fail) => {
      const listener = () => {
        const all = where === "stderr" ? stderr : stdout;
        const found = typeof text === "string" ? all.includes(text) && [text] : text.exec(all);
        if (found) done(found[1] ?? found[0] ?? "");
      };
      listeners.add(listener);
      listener();
      void ended.then(() => fail(new Error(`ended without printing "${text}": ${stderr}`)));
    });
  return Object.assign(ended, { child, printed });
}
