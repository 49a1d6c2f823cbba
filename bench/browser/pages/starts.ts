/** Jobs that start processes, which a page cannot. */
const refuse = (): never => {
  throw new Error("a page starts no processes");
};

export { refuse as compileEntrants, refuse as firstResultEntrant, refuse as listEntrant };
