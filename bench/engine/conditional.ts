/** Feed-forward layers of which some groups of units count: all computed and the others set to zero, or those alone. */
import { add, matmul, mul, relu, slice, type Tensor, tensor } from "../../src/array/index.ts";
import { topExperts } from "../../src/nn/index.ts";
import { readInputs } from "./inputs.ts";
import type { StoredJob } from "./job.ts";
import { inputOf, toTensors } from "./models.ts";
import type { Program } from "./programs.ts";

interface Maps {
  readonly up: Tensor;
  readonly down: Tensor;
}

export function conditionalPrograms(job: StoredJob): readonly Program[] {
  const { layers = 0, width = 0, experts = 0, units = 0, active = 0 } = job.sizes;
  const hidden = experts * units;
  const stored = toTensors(readInputs(job.file, job.arrays, "parameter"));
  const given = Array.from({ length: layers }, (_, i) => [stored[`${i}.up`], stored[`${i}.down`]] as [Tensor, Tensor]);
  // Each form has its weights as it reads them best.
  const dense = given.map(([up, down]): Maps => ({ up: transposed(up), down }));
  const groups = given.map(
    ([up, down]): Maps => ({
      up: reshaped(up, [experts, units, width]),
      down: groupedColumns(down, experts, units, width),
    }),
  );
  // Scattered choices, another in each layer.
  const chosen = Array.from({ length: layers }, (_, layer) =>
    tensor(
      Int32Array.from({ length: active }, (_, i) => (i * Math.floor(experts / active) + layer) % experts),
      { shape: [1, active] },
    ),
  );
  const masks = chosen.map(({ data }) => {
    const mask = new Float32Array(hidden);
    for (const expert of data as Int32Array) mask.fill(1, expert * units, (expert + 1) * units);
    return tensor(mask, { shape: [1, hidden] });
  });
  const common = {
    steps: layers,
    check: ([y]: readonly Float32Array[]) => Array.from(y ?? []).slice(0, 4),
  };
  const x = inputOf(job);
  return [
    {
      ...common,
      id: "dense",
      label: "all units, the others set to zero",
      fn: (h: Tensor, maps: readonly Maps[], keep: readonly Tensor[]) => [
        slice(
          maps.reduce((y, { up, down }, i) => add(y, matmul(mul(relu(matmul(y, up)), keep[i] as Tensor), down)), h),
          { starts: [0, 0], stops: [1, 8] },
        ),
      ],
      args: [x, dense, masks],
    },
    {
      ...common,
      id: "conditional",
      label: "the chosen units alone",
      fn: (h: Tensor, maps: readonly Maps[], choices: readonly Tensor[]) => [
        slice(
          maps.reduce(
            (y, { up, down }, i) =>
              add(y, topExperts({ up: { weight: up }, down: { weight: down } }, y, choices[i] as Tensor)),
            h,
          ),
          { starts: [0, 0], stops: [1, 8] },
        ),
      ],
      args: [x, groups, chosen],
    },
  ];
}

const reshaped = (x: Tensor, shape: readonly number[]): Tensor => tensor(x.data, { shape });

function transposed(x: Tensor): Tensor {
  const [rows, columns] = x.shape as [number, number];
  const data = new Float32Array(x.size);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) data[j * rows + i] = x.data[i * columns + j] as number;
  return tensor(data, { shape: [columns, rows] });
}

/** Rows of units `[experts·units, width]` as `[experts, width, units]`. */
function groupedColumns(x: Tensor, experts: number, units: number, width: number): Tensor {
  const data = new Float32Array(x.size);
  for (let e = 0; e < experts; e++)
    for (let u = 0; u < units; u++)
      for (let j = 0; j < width; j++) data[(e * width + j) * units + u] = x.data[(e * units + u) * width + j] as number;
  return tensor(data, { shape: [experts, width, units] });
}
