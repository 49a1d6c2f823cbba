/** Solutions that others have published, where the folder `FOURWARD_DATA` has them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(process.env.FOURWARD_DATA ?? "", "pde-darcy-burgers");
const files = [
  "burgers_train_16.x.npy",
  "burgers_train_16.y.npy",
  "darcy_train_16.x.npy",
  "darcy_train_16.y.npy",
] as const;

/** Whether all files are there. */
export const hasPublished: boolean =
  process.env.FOURWARD_DATA !== undefined && files.every((file) => existsSync(join(folder, file)));

/** A NumPy file whose first index moves fastest; gives the element at an index. */
export function readPublished(file: (typeof files)[number]): (...index: number[]) => number {
  const bytes = readFileSync(join(folder, file));
  const data = Uint8Array.from(bytes.subarray(10 + bytes.readUInt16LE(8)));
  const header = bytes.toString("latin1", 10, 10 + bytes.readUInt16LE(8));
  if (!header.includes("'fortran_order': True")) throw new Error(`${file}: expected Fortran's order`);
  const shape = (/\((.*?)\)/.exec(header)?.[1] ?? "").split(",").map(Number);
  const values = header.includes("<f4") ? new Float32Array(data.buffer) : data;
  return (...index) =>
    values[index.reduce((at, i, axis) => at + i * shape.slice(0, axis).reduce((a, b) => a * b, 1), 0)] as number;
}
