/** Options of probes and conversions, from a form. */
import type { ModelOption } from "../../../src/studio/api.ts";

/** What a form says, with the types that the options have; what was left as it is, is left out. */
export function readSettings(
  data: FormData,
  options: readonly ModelOption[],
): Record<string, number | boolean | string> {
  const settings: Record<string, number | boolean | string> = {};
  for (const { name, type, default: usual } of options) {
    const given = data.get(name);
    const value =
      type === "boolean"
        ? given !== null
        : typeof given !== "string" || given === ""
          ? null
          : type === "string"
            ? given
            : Number(given);
    if (value !== null && value !== (usual ?? null) && !(type === "boolean" && value === false && usual === null))
      settings[name] = value;
  }
  return settings;
}
