import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";

/**
 * The name of a shared object (specification: "VhostUserShared"): the 16 bytes of a UUID in the
 * order in which its text form shows them.
 *
 * | offset | size | name |
 * | ------ | ---- | ---- |
 * | 0      | 16   | uuid |
 */
export interface SharedObject {
  readonly uuid: Uint8Array;
}

const NAME = "shared object";
const SIZE = 16;

export const sharedObject: Codec<SharedObject> = {
  name: NAME,
  minSize: SIZE,
  maxSize: SIZE,
  size: () => SIZE,
  encode({ uuid }) {
    if (uuid.byteLength !== SIZE) throw new RangeError(`a UUID has ${SIZE} bytes`);
    return uuid.slice();
  },
  decode(payload) {
    expectSize(NAME, payload, SIZE);
    return { uuid: payload.slice() };
  },
  describe: (value) => `uuid=${formatUuid(value.uuid)}`,
};

/** Formats a UUID as text, for example `00112233-4455-6677-8899-aabbccddeeff`. */
export function formatUuid(uuid: Uint8Array): string {
  const digits = Array.from(uuid, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Parses a UUID in its text form.
 *
 * @throws TypeError when the text is not a UUID
 */
export function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new TypeError(`not a UUID: ${text}`);
  }
  const digits = text.replaceAll("-", "");
  return Uint8Array.from({ length: SIZE }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}
