import { afterAll, describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  mean,
  ones,
  releaseSessions,
  square,
  type Tensor,
  tensor,
} from "../../../src/array/index.ts";
import { filterBasis, operatorBlock, sphericalLocalIntegral } from "../../../src/nn/index.ts";
import { latitudesOf, rotatedField, sphericalHarmonics } from "../../../src/spectral/index.ts";
import { drawn } from "../../array/check.ts";
import { gradientError } from "../reference.ts";

afterAll(releaseSessions);

const values = (x: Tensor): number[] => Array.from(x.data as Float64Array, Number);
const size = (a: readonly number[]): number => Math.sqrt(a.reduce((total, v) => total + v * v, 0));
const apart = (a: readonly number[], b: readonly number[]): number =>
  size(a.map((v, i) => v - (b[i] as number))) / size(b);

const options = { inputs: 2, outputs: 3, radius: 0.6 };
const [latitudes, longitudes] = [12, 20];

describe("sphericalLocalIntegral", () => {
  it("is the sum over the points within the radius, seen with the centre at the pole", async () => {
    const layer = sphericalLocalIntegral({ ...options, basis: { rings: 3, directions: 3 } });
    const weight = drawn(1, [3, 2, 4], "float64");
    const x = drawn(2, [2, 2, latitudes, longitudes], "float64");
    const made = values(await evaluate(layer.apply({ weight }, x)));
    const { colatitudes, weights } = latitudesOf("gauss-legendre", latitudes);
    const functions = filterBasis({ rings: 3, directions: 3 });
    const [theta, given] = [values(weight), values(x)];
    const direct = made.map((_, place) => {
      const [column, row] = [place % longitudes, Math.floor(place / longitudes) % latitudes];
      const [output, batch] = [
        Math.floor(place / (latitudes * longitudes)) % 3,
        Math.floor(place / (3 * latitudes * longitudes)),
      ];
      const [a, here] = [colatitudes[row] as number, (2 * Math.PI * column) / longitudes];
      let total = 0;
      for (const [b, psi] of functions.entries()) {
        const sums = [0, 0, 0];
        for (let i = 0; i < latitudes * longitudes; i++) {
          const t = colatitudes[Math.floor(i / longitudes)] as number;
          const away = (2 * Math.PI * (i % longitudes)) / longitudes - here;
          // By spherical trigonometry instead of turning vectors: distance, and direction from the south to the east.
          const cosine = Math.cos(a) * Math.cos(t) + Math.sin(a) * Math.sin(t) * Math.cos(away);
          const distance = Math.acos(Math.min(1, Math.max(-1, cosine)));
          if (distance > options.radius) continue;
          const direction = Math.atan2(
            Math.sin(t) * Math.sin(away),
            Math.sin(t) * Math.cos(a) * Math.cos(away) - Math.cos(t) * Math.sin(a),
          );
          const value = (weights[Math.floor(i / longitudes)] as number) * psi(distance / options.radius, direction);
          for (const [c, add] of [
            1,
            ...[0, 1].map((channel) => given[(2 * batch + channel) * latitudes * longitudes + i] as number),
          ].entries())
            sums[c] = (sums[c] as number) + value * add;
        }
        for (const channel of [0, 1])
          total +=
            ((theta[(output * 2 + channel) * 4 + b] as number) * (sums[channel + 1] as number)) / (sums[0] as number);
      }
      return total;
    });
    // Near the centre an arc cosine is good to half of the digits.
    expect(apart(made, direct)).toBeLessThan(1e-8);
  });

  it("gives the sum of its factors for a constant, on every grid", async () => {
    for (const grid of ["gauss-legendre", "equiangular", "offset"] as const) {
      const layer = sphericalLocalIntegral({ ...options, grid });
      const params = await evaluate(layer.init(key(3)));
      const y = await compile(layer.apply)(params, await evaluate(ones([1, 2, latitudes, longitudes])));
      const sums = [0, 1, 2].map((o) =>
        values(params.weight)
          .slice(8 * o, 8 * o + 8)
          .reduce((a, b) => a + b),
      );
      for (const [i, v] of values(y).entries())
        expect(Math.abs(v - (sums[Math.floor(i / (latitudes * longitudes))] as number))).toBeLessThan(1e-5);
    }
  });

  it("commutes with turns about the axis, and with one direction nearly with all rotations", async () => {
    const [degree, fine] = [6, 32];
    const sphere = sphericalHarmonics({ latitudes: fine, longitudes: 2 * fine, degree });
    const { re, im } = await evaluate(sphere.analyze(drawn(4, [1, 1, fine, 2 * fine], "float64")));
    const part = ({ data }: Tensor) => data as Float64Array;
    const field = (angles: readonly [number, number, number]) =>
      tensor(
        Float64Array.from(rotatedField({ re: part(re), im: part(im) }, { ...sphere, longitudes: 2 * fine }, angles)),
        { shape: [1, 1, fine, 2 * fine] },
      );
    const isotropic = sphericalLocalIntegral({
      inputs: 1,
      outputs: 1,
      radius: 0.4,
      basis: { rings: 3, directions: 1 },
    });
    const directed = sphericalLocalIntegral({ inputs: 1, outputs: 1, radius: 0.4 });
    const commutes = async (layer: typeof directed, angles: readonly [number, number, number], functions: number) => {
      const weight = drawn(5, [1, 1, functions], "float64");
      const [made, ofTurned] = await evaluate([
        layer.apply({ weight }, field([0, 0, 0])),
        layer.apply({ weight }, field(angles)),
      ] as const);
      const own = await evaluate(sphere.analyze(made));
      const turned = rotatedField({ re: part(own.re), im: part(own.im) }, { ...sphere, longitudes: 2 * fine }, angles);
      const kept = await evaluate(sphere.synthesize(sphere.analyze(ofTurned)));
      return apart(values(kept), Array.from(turned));
    };
    const quarter = Math.PI / 2;
    expect(await commutes(directed, [quarter, 0, 0], 4)).toBeLessThan(1e-10);
    expect(await commutes(isotropic, [0.8, 1.1, -2], 2)).toBeLessThan(0.01);
    expect(await commutes(directed, [0.8, 1.1, -2], 4)).toBeGreaterThan(0.05);
  });

  it("has the gradient it should, and stands in blocks", async () => {
    const layer = operatorBlock({ width: 2, spherical: { degree: 3 }, sphericalIntegral: { radius: 0.6 } });
    const params = await evaluate(layer.init(key(6)));
    const x = drawn(7, [1, 2, 8, 12], "float64");
    expect(await gradientError((p) => mean(square(layer.apply(p, x))), params)).toBeLessThan(1e-6);
  });

  it("says what is wrong", () => {
    expect(() => sphericalLocalIntegral({ ...options, radius: 2 })).toThrow(
      "sphericalLocalIntegral: radius must be above 0 and below π/2 radians, got 2",
    );
    const narrow = sphericalLocalIntegral({ ...options, radius: 0.1 });
    expect(() => narrow.apply(narrow.init(key(0)), ones([1, 2, 12, 20]))).toThrow(
      "sphericalLocalIntegral: a radius of 0.1 is below one cell of 12 circles, which is 0.2618 radians; enlarge it",
    );
    expect(() => operatorBlock({ width: 2, dimensions: 1, sphericalIntegral: { radius: 0.6 } })).toThrow(
      "operatorBlock: local integrals on the sphere need a grid of 2 axes",
    );
  });
});
