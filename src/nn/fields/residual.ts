/** A small residual network on features. */
import { relu } from "../../array/index.ts";
import { residual, sequential } from "../layer.ts";
import { linear } from "../linear.ts";

/**
 * Residual network of locations: `linear, ReLU`, then blocks `x + relu(linear(relu(linear(x))))`, then a linear map without
 * bias. `x: [..., inputs]` gives `[..., outputs]`. Source: Mac Aodha et al. 2019, arXiv:1906.05272, without its dropout.
 */
export function residualNetwork({
  inputs,
  outputs,
  hidden,
  blocks = 4,
}: {
  readonly inputs: number;
  readonly outputs: number;
  /** Units of every hidden layer. */
  readonly hidden: number;
  /** Residual blocks; 4 by default. */
  readonly blocks?: number;
}) {
  const square = () => linear({ inputs: hidden, outputs: hidden });
  const block = () => residual(sequential(square(), relu, square(), relu));
  return sequential(
    linear({ inputs, outputs: hidden }),
    relu,
    sequential(...Array.from({ length: blocks }, block)),
    linear({ inputs: hidden, outputs, bias: false }),
  );
}
