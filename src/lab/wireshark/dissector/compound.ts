/**
 * Layouts of the payloads that are more than numbers at fixed places. A test compares what Wireshark
 * shows with what the codecs decode.
 */
import * as protocol from "../../../core/protocol/index.ts";
import type { Codec } from "../../../core/protocol/index.ts";
import type { Show, WireForm, WirePart } from "./wire-form.ts";

const u8 = (name: string, offset: number): WirePart => ({ name, offset, size: 1, show: "dec" });
const u32 = (name: string, offset: number): WirePart => ({ name, offset, size: 4, show: "dec" });
const hex32 = (name: string, offset: number): WirePart => ({ name, offset, size: 4, show: "hex" });
const u64 = (name: string, offset: number, show: Show = "hex"): WirePart => ({
  name,
  offset,
  size: 8,
  show,
});

const form = (
  size: number,
  parts: readonly WirePart[],
  more: Partial<WireForm> = {},
): WireForm => ({
  minSize: size,
  maxSize: size,
  parts,
  ...more,
});

const vringFd: readonly WirePart[] = [
  { name: "index", offset: 0, size: 4, show: "dec", mask: 0xff },
  { name: "no_fd", offset: 0, size: 4, show: "bool", mask: 0x100 },
];

const region: readonly WirePart[] = [
  u64("guest_address", 0),
  u64("size", 8),
  u64("user_address", 16),
  u64("mmap_offset", 24),
];
const xenRegion = [...region, hex32("xen.flags", 32), u32("xen.domid", 36)];
const regionForms = [
  { size: 32, parts: region },
  { size: 40, parts: xenRegion },
];
const LARGEST = protocol.MAX_PAYLOAD_SIZE;

const config: WireForm = {
  minSize: 12,
  maxSize: LARGEST,
  parts: [u32("offset", 0), u32("size", 4), u32("flags", 8)],
  rest: { name: "data", offset: 12, isConfig: true },
};

// Of keys only the sizes are shown, as everywhere.
const symmetric: readonly WirePart[] = [
  u32("cipher_algorithm", 8),
  u32("cipher_key_size", 12),
  u32("hash_algorithm", 16),
  u32("result_size", 20),
  u32("auth_key_size", 24),
  u32("aad_size", 28),
  u8("operation_type", 32),
  u8("direction", 33),
  u8("hash_mode", 34),
  u8("chain_order", 35),
];
const asymmetric: readonly WirePart[] = [
  u32("algorithm", 8),
  u32("key_type", 12),
  u32("key_size", 16),
  u32("padding_algorithm", 32),
  u32("hash_algorithm", 36),
];
const opCode = u64("op_code", 0);
const sessionId = (offset: number): WirePart => u64("session_id", offset, "int");
const AKCIPHER = 4;

const number = (name: string, show: Show = "hex"): readonly WireForm[] => [
  form(8, [u64(name, 0, show)]),
];

/** The forms of each such payload. */
export const COMPOUND: ReadonlyMap<Codec<unknown>, readonly WireForm[]> = new Map<
  Codec<unknown>,
  readonly WireForm[]
>([
  [protocol.u64, number("value")],
  [protocol.count, number("count", "dec")],
  [protocol.acknowledgement, number("ack", "dec")],
  [protocol.deviceStatus, number("status")],
  [protocol.deviceStateReply, number("value")],
  [protocol.virtioFeatures, number("features", "virtio")],
  [protocol.protocolFeatures, number("features", "protocol")],
  [protocol.macAddress, [form(8, [{ name: "mac", offset: 0, size: 6, show: "mac" }])]],
  [protocol.sharedObject, [form(16, [{ name: "uuid", offset: 0, size: 16, show: "uuid" }])]],
  [protocol.vringFd, [form(8, vringFd)]],
  [protocol.vringArea, [form(24, [...vringFd, u64("size", 8), u64("offset", 16)])]],
  [
    protocol.memoryTable,
    [
      {
        minSize: 8,
        maxSize: 8 + 40 * protocol.MAX_MEMORY_REGIONS,
        parts: [u32("count", 0)],
        list: { name: "region", offset: 8, forms: regionForms, count: { offset: 0 } },
      },
    ],
  ],
  [
    protocol.singleMemoryRegion,
    regionForms.map(({ size, parts }) =>
      form(8 + size, [], {
        list: { name: "region", offset: 8, forms: [{ size, parts }], count: 1 },
      }),
    ),
  ],
  [protocol.config, [config]],
  [protocol.configReply, [form(0, []), config]],
  [
    protocol.opaque,
    [{ minSize: 0, maxSize: LARGEST, parts: [], rest: { name: "body", offset: 0 } }],
  ],
  [
    protocol.shmemConfig,
    [
      form(8 + 8 * 256, [u32("num_regions", 0)], {
        list: {
          name: "shmem_region",
          offset: 8,
          forms: [{ size: 8, parts: [u64("size", 0)] }],
          count: 256,
          skipsZero: true,
        },
      }),
    ],
  ],
  [
    protocol.cryptoSession,
    [
      form(632, [sessionId(0), ...symmetric]),
      form(1072, [opCode, ...asymmetric, sessionId(1064)], { when: { offset: 1, byte: AKCIPHER } }),
      form(1072, [opCode, ...symmetric, sessionId(1064)]),
    ],
  ],
]);
