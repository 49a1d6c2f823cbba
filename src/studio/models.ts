/** Models, probes and conversions as the API tells of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { EMBEDDED_MODEL, modelFolder } from "../models/embedded.ts";
import type { ModelList, ModelMethod, ModelOption } from "./api.ts";

/** A probe or conversion with the schema of its options. */
interface Method {
  readonly title: string;
  readonly about: string;
  readonly schema: z.ZodObject;
}

/** Probes and conversions by name. Loaded when they are asked for: they bring the whole array language. */
export async function modelMethods(): Promise<{
  readonly probes: Readonly<Record<string, Method>>;
  readonly conversions: Readonly<Record<string, Method>>;
}> {
  const [{ probes }, { conversions }] = await Promise.all([import("../probe/index.ts"), import("../surgery/index.ts")]);
  return {
    probes: mapped(probes, ({ title, about, options }) => ({ title, about, schema: options })),
    conversions: mapped(conversions, ({ about, options }, name) => ({ title: name, about, schema: options })),
  };
}

const mapped = <A, B>(given: Readonly<Record<string, A>>, change: (value: A, name: string) => B) =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, change(value, name)]));

const jsonSchema = z.object({
  properties: z
    .record(
      z.string(),
      z.object({
        type: z.enum(["number", "integer", "boolean", "string"]).default("string"),
        enum: z.array(z.string()).optional(),
        default: z.union([z.number(), z.boolean(), z.string()]).optional(),
      }),
    )
    .default({}),
});

/** The options that a schema takes. */
const optionsOf = (schema: z.ZodObject): ModelOption[] =>
  Object.entries(jsonSchema.parse(z.toJSONSchema(schema, { io: "input" })).properties).map(
    ([name, { type, enum: choices, default: usual }]) => ({
      ...{ name, type, default: usual ?? null },
      ...(choices ? { choices } : {}),
    }),
  );

const methodJson = ([name, { title, about, schema }]: [string, Method]): ModelMethod => ({
  ...{ name, title, about, options: optionsOf(schema) },
});

const size = z.number().optional().catch(undefined);
/** Sizes in a configuration, by the names that model families have for them. */
const config = z.object({
  ...{ n_layer: size, num_hidden_layers: size, hidden_size: size, n_embd: size, width: size, vocab_size: size },
  ...{ vocabulary: size, n_positions: size, max_position_embeddings: size, context: size },
  blocks: z.array(z.unknown()).optional().catch(undefined),
});

async function modelJson(id: string, folder: string): Promise<ModelList["models"][number]> {
  const text = await readFile(join(folder, "config.json"), "utf8").catch(() => "{}");
  const c = config.safeParse(parsed(text)).data ?? {};
  return {
    ...{ id, embedded: id === EMBEDDED_MODEL, parameters: await parametersIn(folder) },
    layers: c.blocks?.length ?? c.num_hidden_layers ?? c.n_layer ?? null,
    width: c.width ?? c.hidden_size ?? c.n_embd ?? null,
    vocabulary: c.vocabulary ?? c.vocab_size ?? null,
    context: c.context ?? c.max_position_embeddings ?? c.n_positions ?? null,
  };
}

/** Numbers in a folder's weights, as their header says; null where they are no safetensors. */
async function parametersIn(folder: string): Promise<number | null> {
  const { openWeights } = await import("../models/index.ts");
  try {
    const weights = await openWeights(folder);
    let total = 0;
    for (const { shape } of weights.entries.values()) total += shape.reduce((a, b) => a * b, 1);
    await weights.close();
    return total;
  } catch {
    return null;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** All models that runs can be started on, with probes and conversions. */
export async function listModels(folders: Readonly<Record<string, string>>): Promise<ModelList> {
  const { probes, conversions } = await modelMethods();
  const all = Object.entries({ [EMBEDDED_MODEL]: modelFolder(EMBEDDED_MODEL), ...folders });
  return {
    models: await Promise.all(all.map(([id, folder]) => modelJson(id, folder))),
    probes: Object.entries(probes).map(methodJson),
    conversions: Object.entries(conversions).map(methodJson),
  };
}
