/** `fourward serve` */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { setDefaults } from "../array/index.ts";
import { loadPretrained, modelFolder } from "../models/index.ts";
import { startServer } from "../serve/index.ts";
import { listenForInterrupts } from "./interrupt.ts";

export interface ServeFlags {
  readonly host: string;
  readonly port: number;
  readonly name?: string;
  readonly rows: number;
  readonly queue: number;
  readonly device: string;
  readonly threads?: number;
}

/** Serves a model until it is told to stop; requests that have begun are finished. */
export async function serveModel(given: string, flags: ServeFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const folder = modelFolder(given);
  const { model, params, tokenizer } = await loadPretrained(folder);
  if (!tokenizer) throw new Error(`serve ${given}: there is no tokenizer.json in it, which makes text of tokens`);
  const name = flags.name ?? basename(resolve(folder));
  const template = await chatTemplate(folder);
  const server = await startServer(
    { model, params, tokenizer },
    {
      name,
      host: flags.host,
      port: flags.port,
      rows: flags.rows,
      queue: flags.queue,
      ...(template === undefined ? {} : { chatTemplate: template }),
    },
  );
  const host = flags.host.includes(":") ? `[${flags.host}]` : flags.host;
  process.stdout.write(`${name} is served at http://${host}:${server.port}/v1; Ctrl-C ends it\n`);
  await new Promise<void>((done) => {
    const interrupts = listenForInterrupts(() => {
      process.stderr.write("finishing the requests that have begun; press again to stop at once\n");
      void server.close().then(() => {
        interrupts.release();
        done();
      });
    });
  });
}

/** The template of a chat from `tokenizer_config.json`, if the model has one. */
async function chatTemplate(folder: string): Promise<string | undefined> {
  const path = join(folder, "tokenizer_config.json");
  if (!existsSync(path)) return undefined;
  try {
    const { chat_template: template } = JSON.parse(await readFile(path, "utf8")) as { chat_template?: unknown };
    return typeof template === "string" ? template : undefined;
  } catch {
    throw new Error(`read ${path}: it is not JSON`);
  }
}
