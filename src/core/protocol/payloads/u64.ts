import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { assertU64, hex, viewOf } from "../fields.ts";
import { protocolFeatureNames } from "../protocol-features.ts";
import { statusNames } from "../status.ts";
import { virtioFeatureNames } from "../virtio-features.ts";

/**
 * Makes a codec for a 64-bit number (specification: "A single 64-bit integer"). Its meaning differs
 * between requests, so there are several codecs with the same bytes and different descriptions.
 *
 * | offset | size | name  |
 * | ------ | ---- | ----- |
 * | 0      | 8    | value |
 */
function u64Codec(name: string, describe: (value: bigint) => string): Codec<bigint> {
  return {
    name,
    minSize: 8,
    maxSize: 8,
    size: () => 8,
    encode(value) {
      assertU64(name, value);
      const bytes = new Uint8Array(8);
      viewOf(bytes).setBigUint64(0, value, true);
      return bytes;
    },
    decode(payload) {
      expectSize(name, payload, 8);
      return viewOf(payload).getBigUint64(0, true);
    },
    describe,
  };
}

const withNames = (value: bigint, names: readonly string[]): string =>
  `${hex(value)} [${names.join(" ")}]`;

/** A number without further meaning. */
export const u64: Codec<bigint> = u64Codec("u64", hex);

/** A count of queues, slots or bytes. */
export const count: Codec<bigint> = u64Codec("count", String);

/** The answer to need_reply: zero is success, every other value failure. */
export const acknowledgement: Codec<bigint> = u64Codec(
  "acknowledgement",
  (value) => `ack=${value} (${value === 0n ? "ok" : "failed"})`,
);

/** The virtio feature word. Device bits are shown as `bit N`: the message does not name a device. */
export const virtioFeatures: Codec<bigint> = u64Codec("virtio features", (value) =>
  withNames(value, virtioFeatureNames(value, undefined)),
);

export const protocolFeatures: Codec<bigint> = u64Codec("protocol features", (value) =>
  withNames(value, protocolFeatureNames(value)),
);

/** The virtio device status; only the low byte is in use. */
export const deviceStatus: Codec<bigint> = u64Codec("device status", (value) =>
  withNames(value, statusNames(value)),
);

/** A MAC address in the first six bytes; the last two are spare. */
export const macAddress: Codec<bigint> = u64Codec("MAC address", (value) => {
  const bytes = Array.from({ length: 6 }, (_, index) => (value >> BigInt(8 * index)) & 0xffn);
  return `mac=${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
});

/**
 * The answer to SET_DEVICE_STATE_FD: bits 0-7 are an error code, bit 8 says that no descriptor
 * came along.
 */
export const deviceStateReply: Codec<bigint> = u64Codec("device state reply", (value) => {
  const error = value & 0xffn;
  const outcome = error === 0n ? "ok" : `failed with ${error}`;
  return `${hex(value)} (${outcome}, ${value & 0x100n ? "no descriptor" : "with a descriptor"})`;
});
