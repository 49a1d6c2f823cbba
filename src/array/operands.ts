/** Tidying of operands: plain numbers become constants of the type that the tensor operands have. */
import { type DType, isFloat } from "./dtype.ts";
import { describe, scalar, Tensor, type TensorType } from "./tensor.ts";

/** A tensor, or a number or boolean that takes the element type of the tensor it meets. */
export type TensorLike = Tensor | number | boolean;

/** The operands as tensors of one element type; throws if two tensors differ in it. */
export function alike(operation: string, ...operands: TensorLike[]): Tensor[] {
  const tensors = operands.filter((x) => x instanceof Tensor);
  const dtype: DType = tensors[0]?.dtype ?? (operands.every((x) => typeof x === "boolean") ? "bool" : "float32");
  return operands.map((x) => {
    if (x instanceof Tensor) {
      if (x.dtype === dtype) return x;
      throw new TypeError(`${operation}: operands are ${dtype} and ${x.dtype}; cast one of them`);
    }
    if (typeof x !== "number" && typeof x !== "boolean") {
      throw new TypeError(`${operation}: expected a tensor or a number, got ${describe(x)}`);
    }
    return scalar(x, dtype);
  });
}

/** One operand as a tensor; a number becomes float32. */
export const asTensor = (operation: string, x: TensorLike): Tensor => alike(operation, x)[0] as Tensor;

/** Throws unless the tensor holds floats. */
export function checkFloat(operation: string, dtype: DType): void {
  if (!isFloat(dtype)) throw new TypeError(`${operation}: expected a float tensor, got ${dtype}; cast it first`);
}

/** The type itself, checked to be of floats: the shape rule of elementwise functions. */
export function floatType(operation: string, x: TensorType): TensorType {
  checkFloat(operation, x.dtype);
  return x;
}
