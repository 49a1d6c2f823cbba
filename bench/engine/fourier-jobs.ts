/** Jobs of the Fourier kit: transforms as parts of a program, a long convolution, and a neural operator. */
import { constant, data, type Job, normal, type Scale } from "./job.ts";

/** The jobs of `bench fourier`. Spectra are used where they are made, but for the first. */
export function fourierJobs(scale: Scale): readonly Job[] {
  const isTiny = scale === "tiny";
  const transform = (id: string, model: "rfft" | "power", rows: number, length: number): Job => ({
    id,
    title: `rfft of ${rows} rows of ${length}, ${model === "rfft" ? "the spectrum returned" : "and the mean power at each frequency"}`,
    unit: "call",
    model,
    sizes: { rows, length },
    arrays: [data("x", [1, rows, length], { normal: 1 })],
    stepsInGraph: 1,
  });
  const [planes, extent] = isTiny ? [2, 16] : [64, 128];
  const [batch, channels, length] = isTiny ? [2, 3, 64] : [8, 128, 8192];
  return [
    ...(isTiny
      ? [transform("rfft", "rfft", 20, 256), transform("power", "power", 4, 64)]
      : [transform("rfft", "rfft", 256, 4096), transform("power", "power", 256, 4096)]),
    transform("long-power", "power", isTiny ? 2 : 64, isTiny ? 4096 : 65_536),
    {
      id: "plane-power",
      title: `rfft2 of ${planes} planes of ${extent} x ${extent}, and the mean power at each frequency`,
      unit: "call",
      model: "planePower",
      sizes: { planes, extent },
      arrays: [data("x", [1, planes, extent, extent], { normal: 1 })],
      stepsInGraph: 1,
    },
    {
      id: "convolution",
      title: `Causal convolution of ${batch} x ${channels} rows of ${length} with as many taps, and both gradients`,
      unit: "call",
      model: "convolution",
      sizes: { batch, channels, length },
      arrays: [
        normal("k", [channels, length], 1 / Math.sqrt(length)),
        data("x", [1, batch, channels, length], { normal: 1 }),
        data("y", [1, batch, channels, length], { normal: 1 }),
      ],
      stepsInGraph: 1,
    },
    operator(
      isTiny
        ? { batch: 2, grid: 8, width: 4, modes: 3, layers: 2 }
        : { batch: 8, grid: 64, width: 32, modes: 12, layers: 4 },
    ),
  ];
}

interface OperatorSizes {
  readonly batch: number;
  /** Points along each of the two axes. */
  readonly grid: number;
  readonly width: number;
  readonly modes: number;
  readonly layers: number;
}

/** The Fourier neural operator from a field and its coordinates to a field. */
function operator(sizes: OperatorSizes): Job {
  const { batch, grid, width, modes, layers } = sizes;
  const kept = 2 * modes * modes;
  const pointwise = (name: string, inputs: number, outputs: number) => [
    normal(`${name}.weight`, [outputs, inputs], 1 / Math.sqrt(inputs)),
    constant(`${name}.bias`, [outputs], 0),
  ];
  return {
    id: "fno",
    title: `Fourier neural operator, ${layers} layers, width ${width}, ${modes} x ${modes} modes, ${batch} fields of ${grid} x ${grid}, squared error, AdamW`,
    unit: "training step",
    model: "fno",
    sizes: { ...sizes },
    arrays: [
      ...pointwise("lift", 3, width),
      ...Array.from({ length: layers }, (_, i) => [
        ...pointwise(`block${i}.pointwise`, width, width),
        normal(`block${i}.spectral.re`, [kept, width, width], 1 / width),
        normal(`block${i}.spectral.im`, [kept, width, width], 1 / width),
      ]).flat(),
      ...pointwise("widen", width, 2 * width),
      ...pointwise("project", 2 * width, 1),
      data("x", [4, batch, 1, grid, grid], { normal: 1 }),
      data("y", [4, batch, 1, grid, grid], { normal: 1 }),
    ],
    stepsInGraph: 4,
  };
}
