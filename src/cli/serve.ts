/** `fourward serve` */
import { basename, resolve } from "node:path";
import { setDefaults } from "../array/index.ts";
import { loadChatFormat } from "../models/index.ts";
import { hostInUrl, startServer } from "../serve/index.ts";
import { foundModel } from "./find-model.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { loadModel, type WeightFlags } from "./load-model.ts";

export interface ServeFlags extends WeightFlags {
  readonly host: string;
  readonly port: number;
  readonly name?: string;
  readonly rows: number;
  readonly queue: number;
  /** Bytes of a request. */
  readonly maxBody: number;
  readonly maxTokens?: number;
  /** Seconds. */
  readonly grace: number;
  readonly apiKey?: string;
  readonly device: string;
  readonly threads?: number;
}

/** Serves a model until it is told to stop; requests that have begun are finished. */
export async function serveModel(given: string, flags: ServeFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const folder = await foundModel(given);
  const { model, params, tokenizer } = await loadModel(folder, flags);
  if (!tokenizer) throw new Error(`serve ${given}: there is no tokenizer.json in it, which makes text of tokens`);
  const chat = await loadChatFormat(folder);
  const name = flags.name ?? basename(resolve(folder));
  const key = flags.apiKey ?? process.env.FOURWARD_API_KEY;
  const server = await startServer(
    { model, params, tokenizer },
    {
      name,
      host: flags.host,
      port: flags.port,
      rows: flags.rows,
      queue: flags.queue,
      maxBody: flags.maxBody,
      templateNames: chat.names,
      ...(flags.maxTokens === undefined ? {} : { maxTokens: flags.maxTokens }),
      ...(chat.chatTemplate === undefined ? {} : { chatTemplate: chat.chatTemplate }),
      ...(key === undefined ? {} : { apiKey: key }),
    },
  );
  process.stdout.write(`${name} is served at http://${hostInUrl(flags.host)}:${server.port}/v1; Ctrl-C ends it\n`);
  await new Promise<void>((done) => {
    const interrupts = listenForInterrupts(() => {
      process.stderr.write(
        `finishing the requests that have begun, for ${flags.grace} s at most; press again to stop at once\n`,
      );
      void server.close({ graceSeconds: flags.grace }).then(() => {
        interrupts.release();
        done();
      });
    });
  });
}
