/** The process of a run. */
import { library } from "../../papers/index.ts";
import { work } from "./work.ts";

work(library);
