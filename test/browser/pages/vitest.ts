/**
 * What tests import from vitest, made of vitest's own runner and assertions, which need no server: vitest's browser mode
 * serves sources one by one, and these tests are to run from a production build.
 */
import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";
import { startTests, type Test, type VitestRunner } from "@vitest/runner";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

export const expect = chai.expect;

export interface Outcome {
  readonly file: string;
  readonly name: string;
  readonly state: string;
  readonly seconds: number;
  readonly error?: string;
}

/** Runs test files, each imported by its function, and gives what came of every test. */
export async function runFiles(files: { readonly [path: string]: () => Promise<unknown> }): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const runner: VitestRunner = {
    config: {
      root: "/",
      setupFiles: [],
      name: undefined,
      passWithNoTests: false,
      testNamePattern: undefined,
      allowOnly: false,
      sequence: { seed: 1, hooks: "stack", setupFiles: "list" },
      chaiConfig: undefined,
      maxConcurrency: 1,
      testTimeout: 60_000,
      hookTimeout: 60_000,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    },
    importFile: (path) => (files[path] as () => Promise<unknown>)(),
    onAfterRunTask: (test) => outcomes.push(outcomeOf(test)),
  };
  const ran = await startTests(Object.keys(files), runner);
  for (const { name, result } of ran)
    if (result?.errors?.length)
      outcomes.push({
        file: name,
        name: "(the file)",
        state: "fail",
        seconds: 0,
        error: String(result.errors[0]?.message),
      });
  return outcomes;
}

function outcomeOf({ name, file, suite, result }: Test): Outcome {
  const [error] = result?.errors ?? [];
  return {
    file: file.name,
    name: suite?.name ? `${suite.name} > ${name}` : name,
    state: result?.state ?? "skip",
    seconds: (result?.duration ?? 0) / 1000,
    ...(error ? { error: String(error.stack ?? error.message).slice(0, 1500) } : {}),
  };
}
