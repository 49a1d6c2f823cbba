/** Fourward's side of the jobs of starting. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compile, releaseSessions, type Tensor } from "../../src/array/index.ts";
import type { Ready } from "../serve.ts";
import type { StoredJob } from "./job.ts";
import { type Batch, index, training } from "./models.ts";

const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

/** Arguments of Node for a file of `src`: as the package ships it, if it is built, else the source. */
function asShipped(file: string): { readonly args: readonly string[]; readonly label: string } {
  const built = path(`dist/${file}.js`);
  return existsSync(built)
    ? { args: [built], label: "the built package" }
    : { args: ["--import", "tsx", path(`src/${file}.ts`)], label: "from source, through tsx (npm run build first)" };
}

/** New processes, one after the other; `check` reads what each printed. */
function processEntrant(args: readonly string[], label: string, check: (output: string) => number): Ready {
  return {
    id: "process",
    label,
    async run(starts) {
      let result = 0;
      for (let i = 0; i < starts; i++) result = check((await promisify(execFile)(process.execPath, args)).stdout);
      return [result];
    },
  };
}

/** `fourward list`, which names papers. */
export function listEntrant(): Ready {
  const { args, label } = asShipped("cli/main");
  return processEntrant([...args, "list"], label, (output) => Number(output.includes("MoEfication")));
}

/** A process that imports the array language and computes 1·4 + 2·5 + 3·6. */
export function firstResultEntrant(): Ready {
  const { args, label } = asShipped("array/index");
  const [module = ""] = args.slice(-1);
  const script = `const { compile, matmul, tensor } = await import(${JSON.stringify(module)});
    const y = await compile(matmul)(tensor([1, 2, 3]), tensor([4, 5, 6]));
    console.log(y.data[0]);`;
  return processEntrant([...args.slice(0, -1), "--input-type=module", "--eval", script], label, Number);
}

/** The same training step compiled anew: with nothing kept, and again with its session kept. */
export async function compileEntrants(job: StoredJob): Promise<Ready[]> {
  const { step, state, batches } = await training({ ...job, model: "gpt" });
  const once = async (): Promise<readonly number[]> => {
    const fn = compile((before: typeof state, batch: Batch, i: Tensor) => step(before, batch, { step: i }));
    const [, { loss }] = await fn(state, batches[0] as Batch, index(0));
    return [(loss.data as Float32Array)[0] as number];
  };
  const entrant = (id: string, label: string, prepare: () => Promise<unknown>): Ready => ({
    id,
    label,
    async run(times) {
      let result: readonly number[] = [];
      for (let i = 0; i < times; i++) {
        await prepare();
        result = await once();
      }
      return result;
    },
  });
  return [
    entrant("first", "first: trace, encode, create a session, run", releaseSessions),
    entrant("second", "second: trace, encode, find the session, run", async () => undefined),
  ];
}
