import { expect, it } from "vitest";
import { runInBrowser, runsInBrowser } from "../../src/browser/index.ts";

it("says which studies run in a page, and why others do not", async () => {
  expect(runsInBrowser("spright")).toEqual({ can: true, why: null });
  expect(runsInBrowser("gpt-9")).toEqual({ can: false, why: "gpt-9 has no study that runs yet" });
  expect(runsInBrowser("transform-once")).toEqual({ can: true, why: null });
  await expect(runInBrowser("gpt-9", { scale: "smoke" })).rejects.toThrow("expected one of");
});
