import { describe, expect, it } from "vitest";
import { methodsText } from "../../src/cli/convert-help.ts";
import { conversions } from "../../src/surgery/index.ts";

describe("methodsText", () => {
  const text = methodsText(72);
  it("names every method with what it does and all of its options", () => {
    for (const [name, { options }] of Object.entries(conversions)) {
      expect(text).toContain(`\n  ${name}\n`);
      for (const option of Object.keys(options.shape)) expect(text).toContain(`${option}=`);
    }
  });
  it("shows defaults first and types where there is none, in lines that fit", () => {
    expect(text).toContain("experts=64");
    expect(text).toContain("split=parameters|coactivation|random");
    expect(text).toContain("rank=<integer>");
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(72);
  });
});
