/** The files that peers read, in a page: the numbers of a job, which are fetched before, and a manifest. */
let numbers = new Uint8Array();

Object.assign(globalThis, {
  fetchNumbers: async (address: string): Promise<void> => {
    numbers = new Uint8Array(await (await fetch(address)).arrayBuffer());
  },
});

export const readFileSync = (_: string | URL, encoding?: string): Uint8Array | string =>
  encoding ? JSON.stringify({ version: process.env.JAX_VERSION }) : numbers;

const refuse = (): never => {
  throw new Error("bench: a page writes no files");
};

export { refuse as closeSync, refuse as openSync, refuse as writeFileSync };
