// Gives the built package what src/package.json says of the sources: which module each platform takes.
import { readFileSync, writeFileSync } from "node:fs";

const text = readFileSync(new URL("../src/package.json", import.meta.url), "utf8");
writeFileSync(new URL("../dist/package.json", import.meta.url), text.replaceAll(/(?<="\.\/[^"]*)\.ts"/g, '.js"'));
