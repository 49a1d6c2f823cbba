import "../../engine/fourward.ts";
