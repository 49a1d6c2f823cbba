import { flatSky, limber, linearMatterPower, powerLaws } from "fourward/science";

const power = linearMatterPower({ hubble: 0.67, matter: 0.32, baryons: 0.05, tilt: 0.96, sigma8: 0.83 });
const laws = powerLaws(power, { from: 1e-6, to: 100, count: 256, bias: -0.6 });

// A window of 50 Mpc/h around a distance of 2,000 Mpc/h.
const window = {
  weight: (x: number) => Math.exp(-(((x - 2000) / 50) ** 2) / 2) / (50 * Math.sqrt(2 * Math.PI)),
  range: [1750, 2250] as const,
};
const degrees = [10, 100, 500];
console.log("flat sky", flatSky(laws, [window, window], { degrees }));
console.log("Limber", limber(power, [window, window], { degrees }));
