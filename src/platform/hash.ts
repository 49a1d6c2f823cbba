/** Hashes in a browser, which has none by itself that are there at once. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

interface Hash {
  update(data: Uint8Array | string): Hash;
  digest(encoding: "hex"): string;
}

/** A SHA-256 that is fed in parts. */
export function createHash(_: "sha256"): Hash {
  const hash = sha256.create();
  const self: Hash = {
    update: (data) => {
      hash.update(typeof data === "string" ? new TextEncoder().encode(data) : data);
      return self;
    },
    digest: () => bytesToHex(hash.digest()),
  };
  return self;
}
