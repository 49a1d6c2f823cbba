/** The tests of the array language, for a page. */
/// <reference types="vite/types/importMeta.d.ts" />
import { setDefaults } from "../../../src/array/index.ts";
import { type Outcome, runFiles } from "./vitest.ts";

/** Left out are those of what only Node has: traces in files, and the threads of the process. */
const files = import.meta.glob(["../../array/*.test.ts", "!../../array/{blocked,profile,sessions}.test.ts"]);

Object.assign(globalThis, {
  runArrayTests: (wanted?: readonly string[], device = "cpu"): Promise<Outcome[]> => {
    setDefaults({ device });
    const chosen = Object.entries(files).filter(
      ([path]) => !wanted || wanted.some((name) => path.endsWith(`/${name}.test.ts`)),
    );
    return runFiles(Object.fromEntries(chosen));
  },
});
