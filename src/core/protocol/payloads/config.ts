import { counted } from "../../base/index.ts";
import { MAX_PAYLOAD_SIZE, fieldError, sizeError } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { u32, viewOf } from "../fields.ts";
import { hexBytes } from "../hex.ts";
import { readLayout, writeLayout } from "../struct.ts";
import type { Layout } from "../struct.ts";

/**
 * A part of the device's configuration space (specification: "Virtio device config space").
 *
 * | offset | size | name            |
 * | ------ | ---- | --------------- |
 * | 0      | 4    | offset          |
 * | 4      | 4    | size n of data  |
 * | 8      | 4    | flags           |
 * | 12     | n    | data            |
 */
export interface Config {
  readonly offset: number;
  readonly flags: number;
  /** The contents of the range. In a GET_CONFIG request only the length counts. */
  readonly data: Uint8Array;
}

/** Values of {@link Config.flags}: plain numbers, not bits. */
export const ConfigFlags = {
  /** The driver writes a field. */
  Write: 0,
  /** The front-end restores the space after a migration, read-only fields included. */
  Migration: 1,
} as const;

const NAME = "config";
const PREFIX = 12;
const MAX_DATA = MAX_PAYLOAD_SIZE - PREFIX;

interface ConfigPrefix {
  readonly offset: number;
  readonly size: number;
  readonly flags: number;
}
const prefix: Layout<ConfigPrefix> = { offset: u32(0), size: u32(4), flags: u32(8) };

export const config: Codec<Config> = {
  name: NAME,
  minSize: PREFIX,
  maxSize: MAX_PAYLOAD_SIZE,
  size: (value) => PREFIX + value.data.byteLength,
  encode({ offset, flags, data }) {
    if (data.byteLength > MAX_DATA) {
      throw new RangeError(`config data has at most ${MAX_DATA} bytes, not ${data.byteLength}`);
    }
    const bytes = new Uint8Array(PREFIX + data.byteLength);
    writeLayout(prefix, viewOf(bytes), 0, { offset, flags, size: data.byteLength });
    bytes.set(data, PREFIX);
    return bytes;
  },
  decode(payload) {
    if (payload.byteLength < PREFIX) throw sizeError(NAME, `at least ${PREFIX} bytes`, payload);
    const { offset, size, flags } = readLayout(prefix, viewOf(payload), 0);
    if (size > MAX_DATA) throw fieldError(NAME, "size", `at most ${MAX_DATA}`, String(size));
    if (payload.byteLength !== PREFIX + size) {
      throw sizeError(
        NAME,
        `${counted(PREFIX + size, "byte")} for a size field of ${size}`,
        payload,
      );
    }
    return { offset, flags, data: payload.slice(PREFIX) };
  },
  describe({ offset, flags, data }) {
    const contents = data.byteLength === 0 ? "" : ` data=${hexBytes(data, 64)}`;
    return `offset=${offset} size=${data.byteLength} flags=${flags}${contents}`;
  },
  announcedSize: (payload) => PREFIX + readLayout(prefix, viewOf(payload), 0).size,
};

/**
 * The answer to GET_CONFIG. `undefined` is the empty reply by which a back-end refuses; rust-vmm
 * and crosvm refuse with 12 bytes and a size field of 0 instead, which decodes to empty `data`.
 */
export const configReply: Codec<Config | undefined> = {
  name: "config reply",
  minSize: 0,
  maxSize: MAX_PAYLOAD_SIZE,
  size: (value) => (value === undefined ? 0 : config.size(value)),
  encode: (value) => (value === undefined ? new Uint8Array(0) : config.encode(value)),
  decode: (payload) => (payload.byteLength === 0 ? undefined : config.decode(payload)),
  describe: (value) => (value === undefined ? "refused" : config.describe(value)),
  announcedSize: (payload) =>
    payload.byteLength < PREFIX
      ? payload.byteLength
      : PREFIX + readLayout(prefix, viewOf(payload), 0).size,
};
