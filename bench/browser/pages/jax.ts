import "../../engine/jax.ts";
