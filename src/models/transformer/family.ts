/** Families of layers that a configuration chooses from by name, with typed and checked options. */
import { z } from "zod";
import type { Tree } from "../../array/index.ts";
import type { Initializer, Layer, RotaryOptions, TensorLayer } from "../../nn/index.ts";
import { show } from "../safetensors-header.ts";

/** What a layer is told of the model around it. */
export interface Surroundings {
  /** Extent of the stream of vectors. */
  readonly width: number;
  /** Positions at most. */
  readonly context: number;
  /** Whether a position may see earlier ones only. */
  readonly causal: boolean;
  /** Set if positions enter as rotations. */
  readonly rotary?: RotaryOptions;
  /** How weights are drawn unless the options say otherwise. */
  readonly init: Initializer;
}

/** One member of a family. */
export interface Kind<O = never> {
  readonly schema: z.ZodObject;
  /** The layer, from `[..., width]` to the same shape. */
  build(options: O, at: Surroundings): Layer<Tree>;
  /** True for a layer that normalizes its input itself, so that the block does not. */
  readonly hasNorm: boolean;
}

export type Family = { readonly [name: string]: Kind };

/** The options of a member, its name as `kind`, as they are written in a configuration. */
export type ConfigOf<F extends Family> = {
  [K in keyof F & string]: { readonly kind: K } & OptionsOf<z.input<F[K]["schema"]>>;
}[keyof F & string];

/** Options by name; none for a member whose schema is empty, which zod gives an index of its own. */
type OptionsOf<I> = string extends keyof I ? unknown : Readonly<I>;

/** Declares a member: the shape of its options, and the layer that they make. */
export function kind<S extends z.ZodRawShape>(
  shape: S,
  build: (options: z.infer<z.ZodObject<S>>, at: Surroundings) => TensorLayer,
  { hasNorm = false }: { readonly hasNorm?: boolean } = {},
): Omit<Kind<z.infer<z.ZodObject<S>>>, "schema"> & { readonly schema: z.ZodObject<S> } {
  return { schema: z.strictObject(shape), build: build as never, hasNorm };
}

/** A schema for the options of any member of a family; an unknown name is answered with the known ones. */
export function familySchema<F extends Family>(what: string, family: F): z.ZodType<ConfigOf<F>, ConfigOf<F>> {
  const names = Object.keys(family);
  const members = names.map((name) => (family[name] as Kind).schema.extend({ kind: z.literal(name) }));
  return z.discriminatedUnion("kind", members as never, {
    error: ({ input }) => {
      const given = typeof input === "object" && input !== null && "kind" in input ? input.kind : undefined;
      return given === undefined
        ? `expected a ${what} with its "kind", one of ${names.join(", ")}`
        : `unknown ${what} ${show(given)}; known are ${names.join(", ")}`;
    },
  }) as never;
}

/** The layer that options of a family describe. */
export function buildMember(
  family: Family,
  { kind, ...options }: { readonly kind: string },
  at: Surroundings,
): { readonly layer: Layer<Tree>; readonly hasNorm: boolean } {
  const member = family[kind] as Kind;
  return { layer: member.build(options as never, at), hasNorm: member.hasNorm };
}

/** A whole number of at least 1. */
export const count = z.int().min(1);
/** A share that is dropped: from 0 to below 1. */
export const rate = z.number().min(0).lt(1);
