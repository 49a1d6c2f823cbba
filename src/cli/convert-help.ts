/** What `convert --help` says of the methods: what each does and which options it takes. */
import { z } from "zod";
import { conversions } from "../surgery/index.ts";
import { wrap } from "./text.ts";

/** The part of a JSON schema that options use. */
interface OptionSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
}

/** `experts=32`, `split=parameters|coactivation`, `rank=<integer>`: the default stands first, a type where there is none. */
function optionText(name: string, { type, enum: choices, default: usual }: OptionSchema): string {
  if (choices) {
    const first = usual === undefined ? [] : [usual];
    return `${name}=${[...first, ...choices.filter((choice) => choice !== usual)].join("|")}`;
  }
  return `${name}=${usual === undefined ? `<${type ?? "value"}>` : String(usual)}`;
}

/** Methods by name with their options and defaults, as text of at most so many characters a line. */
export function methodsText(width = 80): string {
  const indented = (text: string, by: string) =>
    wrap(text, width - by.length)
      .split("\n")
      .map((line) => by + line);
  const methods = Object.entries(conversions).flatMap(([name, { about, options }]) => {
    const { properties = {} } = z.toJSONSchema(options, { io: "input" }) as {
      readonly properties?: { readonly [name: string]: OptionSchema };
    };
    const taken = Object.entries(properties).map(([option, schema]) => optionText(option, schema));
    return [`  ${name}`, ...indented(about, "    "), ...(taken.length > 0 ? indented(taken.join("  "), "      ") : [])];
  });
  return ["", "Methods, each with its options for --set and their defaults:", ...methods, ""].join("\n");
}
