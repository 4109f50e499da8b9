import { counted } from "../../../core/base/index.ts";
import {
  type Codec,
  config,
  configReply,
  cryptoSession,
  decodeHeader,
  deviceStateParams,
  empty,
  encodeHeader,
  type FrontendRequest,
  FrontendRequest as Request,
  HEADER_SIZE,
  HeaderFlag,
  inflight,
  iotlb,
  log,
  memoryTable,
  mmap,
  sharedObject,
  shmemConfig,
  singleMemoryRegion,
  u64,
  vringAddress,
  vringArea,
  vringFd,
  vringState,
} from "../../../core/protocol/index.ts";
import { expectEqual } from "../expect.ts";
import type { TestCase } from "../group.ts";

/** Smallest and largest sizes of the specification's structures, in bytes. */
const SIZES: readonly (readonly [name: string, codec: Codec<unknown>, min: number, max: number])[] =
  [
    ["empty payload", empty, 0, 0],
    ["u64", u64, 8, 8],
    ["vring state", vringState, 8, 8],
    ["vring descriptor (u64)", vringFd, 8, 8],
    ["vring address", vringAddress, 40, 40],
    ["memory regions", memoryTable, 8, 8 + 253 * 40],
    ["single memory region", singleMemoryRegion, 40, 48],
    ["log", log, 16, 16],
    ["IOTLB message", iotlb, 32, 32],
    ["config", config, 12, 4096],
    ["config reply", configReply, 0, 4096],
    ["vring area", vringArea, 24, 24],
    ["in-flight description", inflight, 24, 24],
    // QEMU leaves the end out.
    ["crypto session", cryptoSession, 632, 1072],
    ["shared object UUID", sharedObject, 16, 16],
    ["device state parameters", deviceStateParams, 8, 8],
    ["shared memory mapping", mmap, 40, 40],
    ["shared memory configuration", shmemConfig, 2056, 2056],
  ];

const REGION = { guestAddress: 0n, size: 4096n, userAddress: 0n, mmapOffset: 0n };

function message(request: FrontendRequest, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  encodeHeader({ request, flags, size: payload.length }, bytes);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

const sample = (): Uint8Array =>
  message(Request.SetVringNum, HeaderFlag.Version, vringState.encode({ index: 3, num: 256 }));

/** Message structures: the bytes on the wire. */
export const structureCases: readonly TestCase[] = [
  {
    title: "VhostUserMsg structure size is correct (20 bytes)",
    run: () => {
      expectEqual("header", HEADER_SIZE, 12);
      const bytes = message(
        Request.GetFeatures,
        HeaderFlag.Version | HeaderFlag.Reply,
        u64.encode(0n),
      );
      expectEqual("header and a payload of 8 bytes", bytes.length, 20);
    },
  },
  {
    title: "Message request field set correctly",
    run: () => {
      const view = new DataView(sample().buffer);
      expectEqual("request at byte 0", view.getUint32(0, true), 8);
      expectEqual("request decoded", decodeHeader(sample()).request, Request.SetVringNum);
    },
  },
  {
    title: "Message flags field set correctly",
    run: () => {
      expectEqual("flags at byte 4", new DataView(sample().buffer).getUint32(4, true), 1);
      expectEqual(
        "version, reply and need_reply bits",
        HeaderFlag.Version | HeaderFlag.Reply | HeaderFlag.NeedReply,
        13,
      );
    },
  },
  {
    title: "Message size field set correctly",
    run: () => expectEqual("size at byte 8", new DataView(sample().buffer).getUint32(8, true), 8),
  },
  {
    title: "Message payload set correctly",
    run: () => {
      const view = new DataView(sample().buffer);
      expectEqual("ring index at byte 12", view.getUint32(12, true), 3);
      expectEqual("ring size at byte 16", view.getUint32(16, true), 256);
    },
  },
  {
    title: "Memory table of 8 regions has 264 bytes",
    run: () => {
      const regions = Array.from({ length: 8 }, () => REGION);
      expectEqual("8 + 8 * 32", memoryTable.encode({ regions }).length, 264);
    },
  },
  ...SIZES.map(([name, { minSize, maxSize }, min, max]) => ({
    title: `Structure size is correct: ${name} (${min === max ? "" : `${min} to `}${counted(max, "byte")})`,
    run: () => {
      expectEqual("smallest size", minSize, min);
      expectEqual("largest size", maxSize, max);
    },
  })),
];
