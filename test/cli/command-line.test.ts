import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { catalogue, studies } from "../../src/papers/index.ts";
import { onSmallDisk } from "../data/small-disk.ts";
import { fourward, root, scripts } from "./process.ts";

let out = "";
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "fourward-cli-"));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

describe("fourward list", () => {
  it("prints every paper, and which run", async () => {
    const { code, stdout, stderr } = await fourward(["list"], "real");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n").slice(1);
    expect(lines.length).toBe(catalogue.length);
    expect(lines.filter((line) => line.includes("  runs  ")).length).toBe(Object.keys(studies).length);
    expect(stdout).toMatch(/^20 {2}runs {2}fast-feedforward .* Enhancing Fast Feed Forward Networks/m);
  });

  it("filters and prints JSON", async () => {
    const found = JSON.parse((await fourward(["list", "--search", "quick", "--json"])).stdout);
    expect(found).toEqual([expect.objectContaining({ number: 1, slug: "quick", implemented: true })]);
    const implemented = JSON.parse((await fourward(["list", "--implemented", "--json"])).stdout);
    expect(implemented.map(({ slug }: { slug: string }) => slug)).not.toContain("unwritten");
    expect((await fourward(["list", "--search", "zebra"])).stdout).toBe('no paper matches "zebra"\n');
  });

  it("ends quietly when its reader has seen enough", () => {
    const line = `"${process.execPath}" --import tsx ${scripts.real} list --json 2>&1 >/dev/full | cat`;
    const early = `"${process.execPath}" --import tsx ${scripts.real} list --json 2>"${out}/err" | true`;
    execFileSync("bash", ["-c", early], { cwd: root });
    expect(readFileSync(join(out, "err"), "utf8")).toBe("");
    // A full disk behind standard output is no such reader.
    expect(execFileSync("bash", ["-c", line], { cwd: root, encoding: "utf8" })).toMatch(
      /^fourward: write standard output: the disk is full; .*\n$/,
    );
  });
});

describe("fourward show", () => {
  it("tells what a paper is, by slug, number or title", async () => {
    const [slug, number, title] = await Promise.all(
      ["fast-feedforward", "20", catalogue.find(({ number: n }) => n === 20)?.title as string].map((query) =>
        fourward(["show", query, "--json"], "real"),
      ),
    );
    expect(JSON.parse(slug?.stdout as string)).toMatchObject({ number: 20, slug: "fast-feedforward" });
    expect(number?.stdout).toBe(slug?.stdout);
    expect(title?.stdout).toBe(slug?.stdout);
  });

  it("prints the claims of a study, and says when there is none", async () => {
    const { stdout } = await fourward(["show", "quick"]);
    expect(stdout).toMatch(/^ *what the seeds give +at least 1 % +our bound$/m);
    expect((await fourward(["show", "unwritten"])).stdout).toContain("cannot be run yet");
  });
});

describe("fourward run", () => {
  it("prints claims beside measurements, the report and the command that repeats it", async () => {
    const { code, stdout } = await fourward(["run", "quick", "--out", out]);
    expect(code).toBe(0);
    expect(stdout.split("\n").slice(0, 6)).toEqual([
      "1. On quick",
      expect.stringMatching(/^scale small, 3 seeds, \d/),
      "",
      "claim                published       measured  verdict",
      "pieces                       3              3  holds",
      "what the seeds give      ≥ 1 %  2.10 ± 0.10 %  holds",
    ]);
    expect(stdout).toContain(`report  ${join(out, "quick-small", "report.html")}\n`);
    expect(stdout).toContain(`repeat  npm run -s fourward -- run quick --scale small --out ${out}\n`);
    expect(existsSync(join(out, "quick-small", "report.html"))).toBe(true);
  });

  it("prints nothing but JSON with --json, and nothing at all on standard error with --quiet", async () => {
    const args = ["run", "slow", "--out", out, "--scale", "smoke", "--seed", "4", "--threads", "1", "--json"];
    const { stdout } = await fourward([...args, "--quiet"]);
    expect(JSON.parse(stdout)).toMatchObject({
      paper: { slug: "slow" },
      scale: "smoke",
      evidence: false,
      seeds: [4],
      command: `npm run -s fourward -- run slow --scale smoke --seed 4 --threads 1 --out ${out}`,
      claims: [{ id: "count" }, { id: "mean", verdict: "inconclusive" }],
    });
    expect(JSON.parse(readFileSync(join(out, "slow-smoke", "report.json"), "utf8"))).toEqual(JSON.parse(stdout));
  });

  it("says at smoke scale that verdicts are no evidence", async () => {
    const { stdout } = await fourward(["run", "quick", "--out", out, "--scale", "smoke"]);
    expect(stdout).toContain("the verdicts are no evidence");
    expect(stdout).toContain("  mechanism only\n");
  });

  it("shows progress in plain lines where there is no terminal, unless told not to", async () => {
    expect((await fourward(["run", "slow", "--out", out])).stderr).toMatch(/^0 % {2}\? left {2}piece$/m);
    expect((await fourward(["run", "slow", "--out", out, "--quiet"])).stderr).toBe(
      "computing seed 0\ncomputing seed 1\ncomputing seed 2\n",
    );
  });

  it.each(["SIGINT", "SIGTERM"] as const)("stops on %s, says how to continue, and continues", async (signal) => {
    const args = ["run", "slow", "--out", out, "--seeds", "5,6,7"];
    const first = fourward(args);
    await first.printed("computing seed 6");
    first.child.kill(signal);
    const { code, stdout, stderr } = await first;
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("stopping after the current piece; press again to stop at once\n");
    expect(stderr).toMatch(
      /^stopped; what is done is kept, and this continues it: npm run -s fourward -- run slow --scale small --seeds 5,6,7 --out /m,
    );
    const second = await fourward(args);
    expect(second.code).toBe(0);
    expect(second.stderr).not.toContain("computing seed 5");
    expect(second.stderr).toContain("computing seed 6");
    const fresh = await fourward([...args, "--fresh"]);
    expect(fresh.stderr).toContain("computing seed 5");
  });

  it("takes signals that come together for one", async () => {
    const running = fourward(["run", "slow", "--out", out]);
    await running.printed("computing seed 0");
    for (let i = 0; i < 3; i++) running.child.kill("SIGINT");
    const { code, stderr } = await running;
    expect(code).toBe(130);
    expect(stderr).toContain("stopped; what is done is kept");
  });

  it("ends at once when asked again", async () => {
    const running = fourward(["run", "stuck", "--out", out]);
    await running.printed("computing");
    running.child.kill("SIGINT");
    await running.printed("stopping after the current piece");
    const again = setInterval(() => running.child.kill("SIGINT"), 200);
    const { code, stderr } = await running;
    clearInterval(again);
    expect(code).toBe(130);
    expect(stderr).not.toContain("stopped; what is done");
  });

  it("fails in one sentence", async () => {
    expect(await fourward(["run", "broken", "--out", out])).toEqual({
      code: 1,
      stdout: "",
      stderr: "fourward: matmul: inner sizes differ\n",
    });
    const skipped = await fourward(["run", "without-data", "--out", out, "--json"]);
    expect({ ...skipped, stdout: JSON.parse(skipped.stdout) }).toEqual({
      code: 1,
      stdout: { paper: { slug: "without-data", number: 3 }, skipped: "the data is not here; get it" },
      stderr: "fourward: the data is not here; get it\n",
    });
    writeFileSync(join(out, "file"), "");
    const blocked = await fourward(["run", "quick", "--out", join(out, "file")]);
    expect(blocked).toMatchObject({ code: 1, stdout: "" });
    expect(blocked.stderr).toMatch(/^fourward: create .*\n$/);
    await onSmallDisk(join(out, "disk"), async () => {
      const { code, stderr } = await fourward(["run", "large", "--out", join(out, "disk")]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^fourward: write .*large\.bin: the disk is full; free some space or .*\n$/);
    });
  });
});

describe("wrong usage", () => {
  it.concurrent.each([
    [["run", "quik"], 2, 'unknown paper "quik"; did you mean quick?'],
    [["show", "99"], 2, 'unknown paper "99"; fourward list shows all 7'],
    [["run", "unwritten"], 1, "unwritten cannot be run yet; fourward list --implemented shows the papers that can"],
    [["run", "quick", "--device", "tpu"], 2, /argument 'tpu' is invalid. Allowed choices are cpu, webgpu, cuda; /],
    [["run", "quick", "--scale", "huge"], 2, /Allowed choices are smoke, small, full; fourward --help shows/],
    [["run", "quick", "--seeds", "1,x"], 2, /'1,x' is invalid. Expected whole numbers from 0/],
    [["run", "quick", "--seeds", "1,1"], 2, /A seed is named twice/],
    [["run", "quick", "--seed", "1", "--seeds", "1"], 2, /cannot be used with/],
    [["run", "quick", "--threads", "0"], 2, /Expected a whole number from 1/],
    [["run"], 2, /missing required argument 'paper'/],
    [["lst"], 2, /unknown command 'lst' \(Did you mean list\?\)/],
    [["list", "--jsn"], 2, /unknown option '--jsn' \(Did you mean --json\?\)/],
  ] as const)("%j exits with %d and one sentence", async (args, code, message) => {
    const ended = await fourward(args);
    expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code, stdout: "" });
    expect(ended.stderr).toMatch(/^fourward: [^\n]*\n$/);
    expect(ended.stderr).toMatch(message);
  });

  it("prints help and version on request", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(await fourward(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    const [help, none] = await Promise.all([fourward(["--help"]), fourward([])]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(none).toEqual(help);
    expect(help.stdout).toContain("run [options] <paper>");
  });
});
