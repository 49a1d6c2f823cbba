/** WebGPU in Node: the array language on a device, in a process of its own, and what is said where there is none. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { chromiumPath } from "../../browser/chromium.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fourward-gpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Variables = Readonly<Record<string, string>>;

/** Folders of Chromium, which brings a loader and a software driver of Vulkan. */
const chromiumFolders = [...(chromiumPath ? [dirname(realpathSync(chromiumPath))] : []), "/usr/lib/chromium"];

/** Variables under which a driver may be found: the process's own, then those for Chromium's. */
const surroundings: readonly Variables[] = [
  {},
  ...chromiumFolders
    .filter((path) => existsSync(join(path, "vk_swiftshader_icd.json")))
    .slice(0, 1)
    .map((path) => ({
      VK_DRIVER_FILES: join(path, "vk_swiftshader_icd.json"),
      VK_ICD_FILENAMES: join(path, "vk_swiftshader_icd.json"),
      LD_LIBRARY_PATH: [path, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
    })),
];

interface Ended {
  readonly code: number;
  readonly printed: string;
  readonly complaints: string;
}

const node = (args: readonly string[], variables: Variables): Promise<Ended> =>
  new Promise((resolve) => {
    const env = { ...process.env, ...variables };
    // Vitest tells its own processes apart by these.
    for (const name of Object.keys(env)) if (name.startsWith("VITEST")) delete env[name];
    execFile(process.execPath, [...args], { cwd: root, env, maxBuffer: 2 ** 26 }, (error, printed, complaints) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, printed, complaints }),
    );
  });

const program = join(folder, "three.ts");
writeFileSync(
  program,
  `import { add, evaluate, tensor } from ${JSON.stringify(join(root, "src/array/index.ts"))};
evaluate(add(tensor(1), tensor(2)), { device: "webgpu" }).then(
  ({ data }) => console.log(String(data[0])),
  (error) => { console.error(error.message); process.exitCode = 1; },
);`,
);
const three = (variables: Variables) => node(["--import", "tsx", program], variables);

async function findDevice(): Promise<Variables | undefined> {
  for (const variables of surroundings) if ((await three(variables)).code === 0) return variables;
  return undefined;
}

const device = await findDevice();
if (!device) console.log("test/array/runtime: WebGPU in Node is skipped: no driver on this machine, nor Chromium's");

describe.skipIf(!device)("WebGPU in Node", { timeout: 900_000 }, () => {
  it("runs the tests of the array language, keeps states on the device, and trains as the CPU does", async () => {
    const results = join(folder, "results.json");
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const { complaints } = await node(
      [vitest, "run", "--config", at("webgpu/vitest.config.ts"), "--reporter=json", `--outputFile=${results}`],
      device as Variables,
    );
    expect(existsSync(results), complaints).toBe(true);
    const { testResults } = JSON.parse(readFileSync(results, "utf8")) as {
      readonly testResults: readonly {
        readonly name: string;
        readonly message: string;
        readonly assertionResults: readonly { fullName: string; status: string; failureMessages: readonly string[] }[];
      }[];
    };
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    const failed = tests.filter(({ status }) => status === "failed");
    expect(failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]}`)).toEqual([]);
    // A file that could not be read has no tests.
    expect(testResults.filter((file) => file.assertionResults.length === 0)).toEqual([]);
    expect(testResults.some(({ name }) => name.endsWith("resident.ts"))).toBe(true);
    expect(tests.filter(({ status }) => status === "passed").length).toBeGreaterThan(350);
  });
});

describe.skipIf(process.platform !== "linux")("without a driver", { timeout: 120_000 }, () => {
  it("says in one sentence what was looked for", async () => {
    const nowhere = join(folder, "nowhere.json");
    const { code, complaints } = await three({ VK_DRIVER_FILES: nowhere, VK_ICD_FILENAMES: nowhere });
    expect(code).toBe(1);
    expect(complaints).toMatch(
      /^device: "webgpu" could not be started on this machine \(.*\); looked for Vulkan: .*\n$/,
    );
    expect(complaints).toContain(`a driver among those that VK_DRIVER_FILES names (${nowhere}); use --device cpu`);
  });

  it("outlives a driver that ends the process", async () => {
    const deadly = join(folder, "deadly.cjs");
    writeFileSync(deadly, 'if (process.execArgv.includes("-e")) process.abort();');
    const { code, complaints } = await three({ NODE_OPTIONS: `--require ${deadly}` });
    expect(code).toBe(1);
    expect(complaints).toContain("could not be started on this machine (its driver ends the process with SIGABRT)");
  });
});
