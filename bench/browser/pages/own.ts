/** What Node lacks and a browser has: workers, and gradients that are loaded as modules. */
export const provideWebWorkers = (): void => {};
export const createRequire = () => (): void => {};
