/** Jobs of conditional computation: a feed-forward layer of which a quarter is used. */
import { data, type Job, type Scale } from "./job.ts";

/** The jobs of `bench conditional`. */
export function conditionalJobs(scale: Scale): readonly Job[] {
  const { layers, width, experts, units, active } =
    scale === "tiny"
      ? { layers: 2, width: 16, experts: 8, units: 4, active: 2 }
      : { layers: 6, width: 1024, experts: 64, units: 64, active: 16 };
  const hidden = experts * units;
  const weight = (name: string, inputs: number) => ({
    name,
    role: "parameter" as const,
    // Rows of hidden units, in both maps.
    shape: [hidden, width],
    fill: { repeated: 1 / Math.sqrt(inputs) },
  });
  return [
    {
      id: "ffn",
      title: `${layers} ReLU layers ${width}-${hidden}-${width} in a row at batch 1, of which ${active} of ${experts} groups of units count`,
      unit: "layer",
      model: "conditional",
      sizes: { layers, width, experts, units, active },
      arrays: [
        ...Array.from({ length: layers }, (_, i) => [weight(`${i}.up`, width), weight(`${i}.down`, hidden)]).flat(),
        data("x", [1, 1, width], { normal: 1 }),
      ],
      stepsInGraph: layers,
    },
  ];
}
