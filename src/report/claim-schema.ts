/** The shape of a claim beside its measurement, for what is read from files, databases and servers. */
import { z } from "zod";

/** JSON has no NaN: it reads as null. */
const number = z.number().nullable();

/** A `ClaimResult` as JSON gives it back. */
export const claimResult = z.object({
  id: z.string(),
  text: z.string(),
  published: number,
  unit: z.string(),
  direction: z.enum(["atLeast", "atMost", "equals"]),
  tolerance: z.number(),
  where: z.string(),
  measured: number,
  spread: z.object({ std: number, low: number, high: number, seeds: z.number(), exact: z.boolean() }),
  verdict: z.enum(["holds", "fails", "inconclusive"]),
  note: z.string().optional(),
});
