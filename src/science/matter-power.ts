/** The expanding universe and the linear power spectrum of its matter. Lengths are in Mpc/h, wavenumbers in h/Mpc. */

export interface Cosmology {
  /** Hubble constant over 100 km/s/Mpc. */
  readonly hubble: number;
  /** Shares of the critical density: all matter, and baryons. The rest is a cosmological constant. */
  readonly matter: number;
  readonly baryons: number;
  /** Exponent of the primordial spectrum. */
  readonly tilt: number;
  /** Root mean square of the matter's contrast in spheres of 8 Mpc/h today. */
  readonly sigma8: number;
  /** Of the microwave background, in K; 2.725 by default. */
  readonly temperature?: number;
}

/** The speed of light over 100 km/s/Mpc, in Mpc/h. */
export const HUBBLE_LENGTH = 2997.92458;

function checkCosmology(c: Cosmology): void {
  for (const name of ["hubble", "matter", "baryons", "tilt", "sigma8"] as const)
    if (!(c[name] > 0)) throw new RangeError(`cosmology: ${name} is above 0, got ${c[name]}`);
  if (c.baryons > c.matter || c.matter > 1)
    throw new RangeError(`cosmology: expected baryons ≤ matter ≤ 1, got ${c.baryons} and ${c.matter}`);
}

/**
 * The transfer function of cold dark matter and baryons, with their acoustic oscillations, 1 on the largest scales.
 * Source: Eisenstein and Hu 1998, "Baryonic features in the matter transfer function", arXiv:astro-ph/9709112, equations 2
 * to 24.
 */
export function transferFunction(c: Cosmology): (k: number) => number {
  checkCosmology(c);
  const m = c.matter * c.hubble ** 2;
  const b = c.baryons * c.hubble ** 2;
  const share = c.baryons / c.matter;
  const theta = (c.temperature ?? 2.725) / 2.7;
  const zEqual = 2.5e4 * m * theta ** -4;
  const kEqual = 0.0746 * m * theta ** -2;
  const d1 = 0.313 * m ** -0.419 * (1 + 0.607 * m ** 0.674);
  const zDrag = ((1291 * m ** 0.251) / (1 + 0.659 * m ** 0.828)) * (1 + d1 * b ** (0.238 * m ** 0.223));
  const ratio = (z: number) => (31.5 * b * theta ** -4 * 1000) / z;
  const [rDrag, rEqual] = [ratio(zDrag), ratio(zEqual)];
  const horizon =
    (2 / (3 * kEqual)) *
    Math.sqrt(6 / rEqual) *
    Math.log((Math.sqrt(1 + rDrag) + Math.sqrt(rDrag + rEqual)) / (1 + Math.sqrt(rEqual)));
  const kSilk = 1.6 * b ** 0.52 * m ** 0.73 * (1 + (10.4 * m) ** -0.95);
  const a1 = (46.9 * m) ** 0.67 * (1 + (32.1 * m) ** -0.532);
  const a2 = (12 * m) ** 0.424 * (1 + (45 * m) ** -0.582);
  const alphaC = a1 ** -share * a2 ** -(share ** 3);
  const c1 = 0.944 / (1 + (458 * m) ** -0.708);
  const betaC = 1 / (1 + c1 * ((1 - share) ** ((0.395 * m) ** -0.0266) - 1));
  const y = (1 + zEqual) / (1 + zDrag);
  const root = Math.sqrt(1 + y);
  const growth = y * (-6 * root + (2 + 3 * y) * Math.log((root + 1) / (root - 1)));
  const alphaB = 2.07 * kEqual * horizon * (1 + rDrag) ** -0.75 * growth;
  const betaB = 0.5 + share + (3 - 2 * share) * Math.sqrt((17.2 * m) ** 2 + 1);
  const node = 8.41 * m ** 0.435;
  const pressureless = (q: number, alpha: number, beta: number): number => {
    const log = Math.log(Math.E + 1.8 * beta * q);
    return log / (log + (14.2 / alpha + 386 / (1 + 69.9 * q ** 1.08)) * q * q);
  };
  return (wavenumber) => {
    const k = wavenumber * c.hubble;
    const q = k / (13.41 * kEqual);
    const ks = k * horizon;
    const f = 1 / (1 + (ks / 5.4) ** 4);
    const cold = f * pressureless(q, 1, betaC) + (1 - f) * pressureless(q, alphaC, betaC);
    const x = ks / (1 + (node / ks) ** 3) ** (1 / 3);
    const damped = (alphaB / (1 + (betaB / ks) ** 3)) * Math.exp(-((k / kSilk) ** 1.4));
    const baryons = (pressureless(q, 1, 1) / (1 + (ks / 5.2) ** 2) + damped) * (x < 1e-6 ? 1 : Math.sin(x) / x);
    return share * baryons + (1 - share) * cold;
  };
}

/** The linear power spectrum of matter today, in (Mpc/h)³, from the transfer function of Eisenstein and Hu. */
export function linearMatterPower(c: Cosmology): (k: number) => number {
  const transfer = transferFunction(c);
  const shape = (k: number) => k ** c.tilt * transfer(k) ** 2;
  // The variance in spheres of 8 Mpc/h, by the trapezoid rule in ln k.
  const step = 0.005;
  let variance = 0;
  for (let log = Math.log(1e-5); log < Math.log(50); log += step) {
    const k = Math.exp(log);
    const x = 8 * k;
    const window = x < 0.01 ? 1 - (x * x) / 10 : (3 * (Math.sin(x) - x * Math.cos(x))) / x ** 3;
    variance += (step * k ** 3 * shape(k) * window * window) / (2 * Math.PI ** 2);
  }
  const scale = c.sigma8 ** 2 / variance;
  return (k) => {
    if (!(k > 0)) throw new RangeError(`linearMatterPower: k is above 0, got ${k}`);
    return scale * shape(k);
  };
}

export interface Expansion {
  /** Comoving distance at a redshift. */
  distance(redshift: number): number;
  /** Redshift at a comoving distance. */
  redshift(distance: number): number;
  /** Growth of the linear contrast of matter until a redshift, 1 today. */
  growth(redshift: number): number;
}

/** Distances and growth, tabulated up to a redshift and read off between. */
export function expansion(c: Pick<Cosmology, "matter">, { to = 20 }: { readonly to?: number } = {}): Expansion {
  const rate = (z: number) => Math.sqrt(c.matter * (1 + z) ** 3 + 1 - c.matter);
  // Steps of 1/(1 + z); Simpson's rule within each.
  const count = 4000;
  const scales = Float64Array.from({ length: count + 1 }, (_, i) => 1 - (i / count) * (1 - 1 / (1 + to)));
  const distances = new Float64Array(count + 1);
  const growths = new Float64Array(count + 1);
  const simpson = (fn: (a: number) => number, a: number, b: number) =>
    ((b - a) / 6) * (fn(a) + 4 * fn((a + b) / 2) + fn(b));
  const light = (a: number) => 1 / (a * a * rate(1 / a - 1));
  const growing = (a: number) => (a * rate(1 / a - 1)) ** -3;
  // Before the table matter is all there is: the integral of a^(3/2) matter^(-3/2).
  let growthSum = 0.4 * c.matter ** -1.5 * (scales[count] as number) ** 2.5;
  for (let i = count; i >= 0; i--) {
    const a = scales[i] as number;
    if (i < count) growthSum += simpson(growing, scales[i + 1] as number, a);
    growths[i] = rate(1 / a - 1) * growthSum;
  }
  for (let i = 1; i <= count; i++)
    distances[i] =
      (distances[i - 1] as number) + HUBBLE_LENGTH * simpson(light, scales[i] as number, scales[i - 1] as number);
  const between = (table: Float64Array, place: number): number => {
    const i = Math.min(count - 1, Math.floor(place));
    const t = place - i;
    return (1 - t) * (table[i] as number) + t * (table[i + 1] as number);
  };
  const placeOf = (z: number): number => {
    if (!(z >= 0 && z <= to)) throw new RangeError(`expansion: redshift is from 0 to ${to}, got ${z}`);
    return (count * (1 - 1 / (1 + z))) / (1 - 1 / (1 + to));
  };
  return {
    distance: (z) => between(distances, placeOf(z)),
    growth: (z) => between(growths, placeOf(z)) / (growths[0] as number),
    redshift(distance) {
      const last = distances[count] as number;
      if (!(distance >= 0 && distance <= last))
        throw new RangeError(`expansion: distance is from 0 to ${last.toFixed(0)}, got ${distance}`);
      let [low, high] = [0, count];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if ((distances[middle] as number) <= distance) low = middle;
        else high = middle;
      }
      const [a, b] = [distances[low] as number, distances[high] as number];
      return 1 / between(scales, low + (distance - a) / (b - a)) - 1;
    },
  };
}
