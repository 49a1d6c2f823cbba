/** Models by a folder, a name that comes with this package, or a name on the Hugging Face hub. */
import { existsSync, join, process, readFile, stat } from "#platform";
import { downloadHubFile, type HubEntry, type HubRepo, hubFiles, hubPage, hubReason, makeFolder } from "../data/hub.ts";
import { cacheFolder, type DownloadOptions, writeFileAtomic } from "../data/index.ts";
import { modelFolder } from "./embedded.ts";

/** Files of a repository that a model is made of, beside its weights. */
const SMALL = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
  "preprocessor_config.json",
];

/** The list that says that a folder of the cache is complete. */
const LIST = "fourward-files.json";

/**
 * The folder (or file) of a model: a path of the user's, the name of a model that comes with this package, or `owner/name`
 * on the Hugging Face hub (or the one at `HF_ENDPOINT`), which is downloaded once into the cache; `HF_TOKEN` opens
 * repositories with conditions. Files are checked against the hub's hashes, and downloads that were cut go on. Progress
 * counts the bytes of all files. Throws one sentence if it is nowhere.
 */
export async function findModel(nameOrPath: string, options: DownloadOptions = {}): Promise<string> {
  const own = modelFolder(nameOrPath);
  if (existsSync(own)) return own;
  if (!/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(nameOrPath))
    throw new Error(
      `model ${nameOrPath}: there is no such folder, and it is not a name such as owner/name that the Hugging Face hub has`,
    );
  const kept = process.env.FOURWARD_DATA ? join(process.env.FOURWARD_DATA, nameOrPath) : "";
  if (kept !== "" && existsSync(kept)) return kept;
  return hubModel(nameOrPath, options);
}

async function hubModel(name: string, options: DownloadOptions): Promise<string> {
  const folder = join(cacheFolder(), "hub", "models", name);
  if (await isComplete(folder)) return folder;
  const repo: HubRepo = { type: "model", name };
  const ways = `go online and run it again, or put the files of ${hubPage(repo)} into a folder and give its path`;
  let listed: readonly HubEntry[];
  try {
    listed = await hubFiles(repo, "", options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new Error(`model ${name}: there is no such folder, and ${hubReason(error)}; ${ways}`);
  }
  const wanted = filesOf(name, listed);
  await makeFolder(folder);
  const total = wanted.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  for (const entry of wanted) {
    const target = join(folder, entry.path);
    if ((await sizeOf(target)) !== entry.size) {
      const failure = await downloadHubFile(repo, entry, target, {
        ...options,
        onProgress: ({ received }) => options.onProgress?.({ file: entry.path, received: before + received, total }),
      });
      if (failure !== null)
        throw new Error(`model ${name}: ${entry.path} could not be downloaded (${failure}); ${ways}`);
    }
    before += entry.size;
    options.onProgress?.({ file: entry.path, received: before, total });
  }
  await writeFileAtomic(join(folder, LIST), JSON.stringify(wanted));
  return folder;
}

/** The files that are needed: weights in one safetensors file or in several with their index. */
function filesOf(name: string, listed: readonly HubEntry[]): readonly HubEntry[] {
  const top = listed.filter(({ path }) => !path.includes("/"));
  const has = (path: string): boolean => top.some((entry) => entry.path === path);
  if (!has("config.json"))
    throw new Error(
      `model ${name}: the hub's repository has no config.json, so it is no model that can be loaded here`,
    );
  const shards = /^model-\d+-of-\d+\.safetensors$/;
  const isWeight = has("model.safetensors")
    ? (path: string) => path === "model.safetensors"
    : has("model.safetensors.index.json")
      ? (path: string) => path === "model.safetensors.index.json" || shards.test(path)
      : (path: string) => path.endsWith(".safetensors");
  const wanted = top.filter(({ path }) => SMALL.includes(path) || isWeight(path));
  if (!wanted.some(({ path }) => path.endsWith(".safetensors")))
    throw new Error(
      `model ${name}: its weights are not safetensors${has("pytorch_model.bin") ? " but a pickle (pytorch_model.bin), which can hold programs and is not read here" : ""}; look for a revision or a copy that has model.safetensors`,
    );
  return wanted;
}

const sizeOf = (path: string): Promise<number | null> =>
  stat(path).then(
    ({ size }) => size,
    () => null,
  );

/** Whether all files that were wanted are there; hashes were checked when they were downloaded. */
async function isComplete(folder: string): Promise<boolean> {
  try {
    const files = JSON.parse(await readFile(join(folder, LIST), "utf8")) as readonly HubEntry[];
    for (const { path, size } of files) if ((await sizeOf(join(folder, path))) !== size) return false;
    return files.length > 0;
  } catch {
    return false;
  }
}
