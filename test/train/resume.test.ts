import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const script = fileURLToPath(new URL("killed-run.ts", import.meta.url));
const folder = () => mkdtempSync(join(tmpdir(), "fourward-resume-"));

/** Runs training in a process, to its end or until SIGKILL: `delay` ms after its `runs`th run. Gives the last step shown. */
function train(dir: string, kill?: { readonly runs: number; readonly delay: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", script, dir], { stdio: ["ignore", "pipe", "pipe"] });
    let [output, errors, armed] = ["", "", kill !== undefined];
    child.stderr.on("data", (text) => {
      errors += text;
    });
    child.stdout.on("data", (text) => {
      output += text;
      if (!armed || !kill || output.split("\n").length <= kill.runs) return;
      armed = false;
      setTimeout(() => child.kill("SIGKILL"), kill.delay);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const ended = kill ? signal === "SIGKILL" : code === 0;
      if (ended) resolve(output.trim().split("\n").at(-1) as string);
      else reject(new Error(`the process ended with ${signal ?? code} after ${output.slice(-20)}: ${errors}`));
    });
  });
}

it("ends with the same bytes after SIGKILLs at random moments as without", { timeout: 120_000 }, async () => {
  const unbroken = folder();
  expect(await train(unbroken)).toBe("done 1600");
  const files = readdirSync(unbroken).sort();
  expect(files).toEqual(["checkpoint.safetensors", "metrics.jsonl"]);

  const dir = folder();
  const moments: string[] = [];
  for (let kills = 0; kills < 6; kills++) {
    // At most 6 · 40 of the 320 runs, so each process dies before its end. A run and a save take about 3 ms.
    const kill = { runs: 1 + Math.floor(Math.random() * 40), delay: Math.random() * 6 };
    moments.push(`${kill.delay} ms after step ${await train(dir, kill)}`);
  }
  expect(await train(dir)).toBe("done 1600");
  for (const name of files) {
    const isSame = readFileSync(join(dir, name)).equals(readFileSync(join(unbroken, name)));
    expect(isSame, `${name} differs after kills ${moments.join(", ")}`).toBe(true);
  }
});
