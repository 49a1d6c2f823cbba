/** The process of a run, over the studies of tests. */
import { work } from "../../src/studio/runs/work.ts";
import { library } from "./library.ts";

work(library);
