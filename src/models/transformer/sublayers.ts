/** Sublayers in plain data, as they stand in configurations. */
import { z } from "zod";
import { type FfnConfig, ffnSchema } from "./ffns.ts";
import { type MixerConfig, mixerSchema } from "./mixers.ts";

/** What any sublayer may be told. */
export interface SublayerOptions {
  /** Factor on what the sublayer adds to the stream; 1 by default. */
  readonly scale?: number;
  /** Sublayers with the same name share their weights, which are stored once; norms are not shared. */
  readonly shared?: string;
  /**
   * Reads what the sublayer before it in the block read, not what that one made; false by default. With `"block"`, which
   * only the first of a block may have, the whole block starts from what the block before it started from, and what it
   * adds goes to the stream.
   */
  readonly beside?: boolean | "block";
  /** What the output is added to: the stream as it is, or mapped by a square matrix `shortcut`; as it is by default. */
  readonly shortcut?: "identity" | "linear";
}

/** One step on the stream: `x + scale·layer(norm(x))`, or `norm(x + scale·layer(x))`; `x·S + …` with a linear shortcut. */
export type Sublayer = SublayerOptions & ({ readonly mixer: MixerConfig } | { readonly ffn: FfnConfig });

/** `SublayerOptions` as a schema. */
export const sublayerOptions = {
  scale: z.number().optional(),
  shared: z.string().min(1).optional(),
  beside: z.union([z.boolean(), z.literal("block")]).optional(),
  shortcut: z.enum(["identity", "linear"]).optional(),
};
/** The forms of a sublayer. */
export const sublayerForms = {
  mixer: z.strictObject({ mixer: mixerSchema, ...sublayerOptions }),
  ffn: z.strictObject({ ffn: ffnSchema, ...sublayerOptions }),
};

/** One of several strict forms, told apart by which of their names occurs; errors are those of the form that was meant. */
export function formOf<T>(forms: { readonly [name: string]: z.ZodType }): z.ZodType<T, T> {
  const names = Object.keys(forms);
  return z.unknown().transform((value, context) => {
    const name = names.find((each) => typeof value === "object" && value !== null && each in value);
    const form = name === undefined ? undefined : forms[name];
    if (!form) {
      context.addIssue({
        code: "custom",
        message: `expected an object with ${names.map((n) => `"${n}"`).join(" or ")}`,
      });
      return z.NEVER;
    }
    const result = form.safeParse(value);
    if (result.success) return result.data as T;
    for (const { path, message } of result.error.issues) context.addIssue({ code: "custom", path, message });
    return z.NEVER;
  }) as never;
}

export const sublayerSchema = formOf<Sublayer>(sublayerForms);
