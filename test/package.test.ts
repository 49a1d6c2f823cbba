/** The package as users get it: built, packed, and installed in an empty folder. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../src/platform/version.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Rooms that are a library; the command line is only run, and what the platform gives is for inside. */
const rooms = readdirSync(join(root, "src"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["cli", "platform"].includes(entry.name))
  .map(({ name }) => name);

const npm = (args: readonly string[], cwd: string) => execFileSync("npm", args, { cwd, encoding: "utf8" });

it("tells pages the version that it has", () => {
  expect(VERSION).toBe(manifest.version);
});

it("has a path for each room of the library", () => {
  const paths = Object.keys(manifest.exports).filter((path) => path !== "." && path !== "./package.json");
  expect(paths.sort()).toEqual(rooms.map((room) => `./${room}`).sort());
});

describe("the installed package", { timeout: 300_000 }, () => {
  let folder = "";
  let files: string[] = [];
  const run = (file: string, text: string) => {
    writeFileSync(join(folder, file), text);
    return execFileSync(process.execPath, [join(folder, file)], { cwd: folder, encoding: "utf8" });
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "fourward-package-"));
    npm(["run", "-s", "build"], root);
    const [packed] = JSON.parse(npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root));
    files = packed.files.map(({ path }: { path: string }) => path);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
    // What npm ci has downloaded for this checkout is in npm's cache.
    const quiet = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    npm(["install", ...quiet, join(folder, packed.filename)], folder);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("holds the studio: what browsers load, and what the server renders its pages with", async () => {
    const { render } = await import(
      pathToFileURL(join(folder, "node_modules/fourward/dist/studio/server/entry.js")).href
    );
    const error = "<script>alert(1)</script>";
    expect(render("http://localhost/nowhere", { page: "problem", status: 404, error })).toEqual({
      head: expect.stringContaining("<title>"),
      body: expect.stringContaining("&lt;script>alert(1)&lt;/script>"),
    });
    const manifest = JSON.parse(
      readFileSync(join(folder, "node_modules/fourward/dist/studio/client/manifest.json"), "utf8"),
    ) as Record<string, { file: string }>;
    for (const { file } of Object.values(manifest)) expect(files).toContain(`dist/studio/client/${file}`);
  });

  it("holds what was built, the embedded model, recipes, the licence and the readme, and nothing else", () => {
    const wanted = ["LICENSE", "README.md", "package.json", "dist/cli/main.js", "models/fourward-4m/model.safetensors"];
    expect(files).toEqual(expect.arrayContaining(wanted));
    const model = /^models\/fourward-4m\/(README\.md|(config|tokenizer)\.json|model\.safetensors)$/;
    const others = files.filter(
      (path) =>
        !/^(LICENSE|README\.md|package\.json|configs\/[\w-]+\.json|dist\/(package\.json|.*\.(js|d\.ts))|dist\/studio\/client\/(manifest\.json|assets\/[\w.-]+\.(css|woff2|svg|wasm|mjs)))$/.test(
          path,
        ) && !model.test(path),
    );
    expect(others).toEqual([]);
  });

  it("works as a library", () => {
    const printed = run(
      "program.mjs",
      `import { compile, grad, item, mul, sum, tensor, toNested } from "fourward";
      ${rooms.map((room) => `import * as ${room} from "fourward/${room}";`).join("\n")}
      const gradient = compile(grad((x) => sum(mul(x, x))));
      console.log(JSON.stringify(toNested(await gradient(tensor([1, 2, 3])))));
      console.log(JSON.stringify([${rooms.join(", ")}].map((room) => Object.keys(room).length > 0)));`,
    );
    expect(
      printed
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([[2, 4, 6], rooms.map(() => true)]);
  });

  it("has types that a strict program and the examples of the readme and the guides are checked against", () => {
    writeFileSync(
      join(folder, "typed.ts"),
      `import { item, tensor, type Tensor } from "fourward";
      import { linear } from "fourward/nn";
      import { spread } from "fourward/report";
      export const mean: number = spread([1, 2], (value) => value).mean;
      export const weight: Tensor = linear({ inputs: 2, outputs: 3 }).apply({ weight: tensor([[1]]), bias: tensor([1]) }, tensor([1]));
      // @ts-expect-error text is no number
      export const text: string = item(tensor(1));
      // @ts-expect-error outputs are missing
      linear({ inputs: 2 });`,
    );
    const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
    const texts = ["README.md", ...guides.map((name) => join("docs", name))].map((path) =>
      readFileSync(join(root, path), "utf8"),
    );
    const examples = texts
      .flatMap((text) => [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string))
      // Settings of a bundler, which users install beside the package.
      .filter((code) => !code.includes('from "vite"'))
      .map((code, i) => {
        writeFileSync(join(folder, `example${i}.ts`), code);
        return `example${i}.ts`;
      });
    expect(examples.length).toBeGreaterThan(7);
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
    const types = ["--typeRoots", join(root, "node_modules", "@types")];
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    expect(
      execFileSync(process.execPath, [tsc, ...options, ...types, "typed.ts", ...examples], {
        cwd: folder,
        encoding: "utf8",
      }),
    ).toBe("");
  });

  it("has a binary that lists, shows and runs papers", () => {
    const binary = join(folder, "node_modules", ".bin", "fourward");
    expect(existsSync(binary)).toBe(true);
    const fourward = (...args: string[]) => execFileSync(binary, args, { cwd: folder, encoding: "utf8" });
    expect(fourward("--version")).toBe(`${manifest.version}\n`);
    expect(JSON.parse(fourward("list", "--json")).length).toBe(75);
    expect(JSON.parse(fourward("show", "20", "--json"))).toMatchObject({ slug: "fast-feedforward" });
    const [first] = JSON.parse(fourward("list", "--implemented", "--json"));
    expect(fourward("show", first.slug)).toContain(`run it: fourward run ${first.slug}`);
  });
});
