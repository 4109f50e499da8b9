/**
 * Golden vectors: for every structure its bytes, written down by hand from the layout tables of the
 * specification, and the value that they mean. `#` starts a comment, `xx*n` repeats a byte.
 */
import * as p from "../../../../src/core/protocol/index.ts";
import type { Codec } from "../../../../src/core/protocol/index.ts";

export interface Vector<T = unknown> {
  readonly title: string;
  readonly codec: Codec<T>;
  readonly bytes: Uint8Array;
  readonly value: T;
}

export function bytes(text: string): Uint8Array {
  const words = text
    .split("\n")
    .flatMap((line) => (line.split("#")[0] ?? "").split(/\s+/))
    .filter((word) => word !== "");
  return Uint8Array.from(
    words.flatMap((word) => {
      const [byte = "", times = "1"] = word.split("*");
      if (!/^[0-9a-f]{2}$/.test(byte)) throw new Error(`not a byte: ${word}`);
      return Array<number>(Number(times)).fill(Number.parseInt(byte, 16));
    }),
  );
}

const vector = <T>(title: string, codec: Codec<T>, text: string, value: T): Vector<T> => ({
  title,
  codec,
  bytes: bytes(text),
  value,
});

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

const region1 = {
  guestAddress: 0x1_0000_0000n,
  size: 0x20_0000n,
  userAddress: 0x7f90_d3fd_b000n,
  mmapOffset: 0xc_0000n,
};
const region1Bytes = `
  00 00 00 00 01 00 00 00   # guest address
  00 00 20 00 00 00 00 00   # size
  00 b0 fd d3 90 7f 00 00   # user address
  00 00 0c 00 00 00 00 00   # mmap offset`;
const region2 = {
  guestAddress: 0n,
  size: 0xa_0000n,
  userAddress: 0xffff_8000_0000_1000n,
  mmapOffset: 0n,
};
const region2Bytes = `
  00*8                      # guest address
  00 00 0a 00 00 00 00 00   # size
  00 10 00 00 00 80 ff ff   # user address: any 64 bits
  00*8                      # mmap offset`;

export const vectors: readonly Vector[] = [
  vector("no payload", p.empty, "", undefined),
  vector("u64", p.u64, "ef cd ab 89 67 45 23 f1", 0xf123_4567_89ab_cdefn),
  vector("an acknowledgement of success", p.acknowledgement, "00*8", 0n),
  vector("a virtio feature word", p.virtioFeatures, "46 7e 00 75 01 00 00 00", 0x1_7500_7e46n),
  vector("a protocol feature word", p.protocolFeatures, "2b 8f 00 00 00 00 00 00", 0x8f2bn),
  vector("a count", p.count, "80 00*7", 128n),
  vector("a device status", p.deviceStatus, "0f 00*7", 15n),
  vector("a MAC address", p.macAddress, "52 54 00 12 34 56 00 00", 0x5634_1200_5452n),
  vector("a device state reply", p.deviceStateReply, "00 01 00*6", 0x100n),
  vector("an opaque body", p.opaque, "01 02 03", Uint8Array.of(1, 2, 3)),
  vector(
    "a vring state",
    p.vringState,
    `
    03 00 00 00               # index
    00 01 00 00               # num`,
    { index: 3, num: 256 },
  ),
  vector(
    "a vring address: used precedes available",
    p.vringAddress,
    `
    01 00 00 00               # index
    01 00 00 00               # flags: log
    00 10 f2 c5 90 7f 00 00   # descriptor
    40 19 f2 c5 90 7f 00 00   # used
    00 18 f2 c5 90 7f 00 00   # available
    40 19 f2 05 00 00 00 00   # log`,
    {
      index: 1,
      flags: 1,
      descriptor: 0x7f90_c5f2_1000n,
      used: 0x7f90_c5f2_1940n,
      available: 0x7f90_c5f2_1800n,
      log: 0x5f2_1940n,
    },
  ),
  vector("a vring with its descriptor", p.vringFd, "ff 00 00*6", { index: 255, noFd: false }),
  vector("a vring without descriptor", p.vringFd, "02 01 00*6", { index: 2, noFd: true }),
  vector(
    "a memory table with two regions",
    p.memoryTable,
    `
    02 00 00 00               # count
    00 00 00 00               # padding
    ${region1Bytes}
    ${region2Bytes}`,
    { regions: [region1, region2] },
  ),
  vector("an empty memory table", p.memoryTable, "00*8", { regions: [] }),
  vector(
    "a memory table with Xen's fields",
    p.memoryTable,
    `
    02 00 00 00  00 00 00 00
    ${region1Bytes}
    02 01 00 00               # xen flags: grant, no advance map
    07 00 00 00               # domid
    ${region2Bytes}
    01 00 00 00               # xen flags: foreign
    ff ff 00 00               # domid`,
    {
      regions: [
        { ...region1, xen: { flags: 0x102, domid: 7 } },
        { ...region2, xen: { flags: 1, domid: 0xffff } },
      ],
    },
  ),
  vector(
    "a single memory region",
    p.singleMemoryRegion,
    `
    00*8                      # padding
    ${region1Bytes}`,
    { region: region1 },
  ),
  vector(
    "a single memory region with Xen's fields",
    p.singleMemoryRegion,
    `00*8 ${region1Bytes}
    01 00 00 00  05 00 00 00  # xen flags, domid`,
    { region: { ...region1, xen: { flags: 1, domid: 5 } } },
  ),
  vector(
    "a log description",
    p.log,
    `
    00 80 00 00 00 00 00 00   # mmap size
    00 10 00 00 00 00 00 00   # mmap offset`,
    { mmapSize: 0x8000n, mmapOffset: 0x1000n },
  ),
  vector(
    "an IOTLB update",
    p.iotlb,
    `
    00 f0 ff ff 00 00 00 00   # iova
    00 10 00 00 00 00 00 00   # size
    00 20 00 00 aa 7f 00 00   # user address
    03                        # permissions: read and write
    02                        # type: update
    00*6                      # tail padding`,
    { iova: 0xffff_f000n, size: 0x1000n, userAddress: 0x7faa_0000_2000n, permissions: 3, type: 2 },
  ),
  vector(
    "a range of configuration space",
    p.config,
    `
    20 00 00 00               # offset
    03 00 00 00               # size
    01 00 00 00               # flags: migration
    aa bb cc                  # data`,
    { offset: 32, flags: 1, data: Uint8Array.of(0xaa, 0xbb, 0xcc) },
  ),
  vector("an empty reply to GET_CONFIG", p.configReply, "", undefined),
  vector("a 12-byte refusal of GET_CONFIG", p.configReply, "08 00*3 00*4 00*4", {
    offset: 8,
    flags: 0,
    data: new Uint8Array(0),
  }),
  vector("a reply to GET_CONFIG", p.configReply, "00*4 01 00*3 00*4 7f", {
    offset: 0,
    flags: 0,
    data: Uint8Array.of(0x7f),
  }),
  vector(
    "a vring area",
    p.vringArea,
    `
    04 00 00*6                # index, no-fd bit clear
    00 10 00*6                # size
    00 30 00*6                # offset`,
    { index: 4, noFd: false, size: 0x1000n, offset: 0x3000n },
  ),
  vector("a vring area to remove", p.vringArea, "04 01 00*6 00*8 00*8", {
    index: 4,
    noFd: true,
    size: 0n,
    offset: 0n,
  }),
  vector(
    "an in-flight description",
    p.inflight,
    `
    80 10 00*6                # mmap size
    00 20 00*6                # mmap offset
    02 00                     # num queues
    80 00                     # queue size
    00*4                      # tail padding`,
    { mmapSize: 0x1080n, mmapOffset: 0x2000n, numQueues: 2, queueSize: 128 },
  ),
  vector(
    "a symmetric crypto session",
    p.cryptoSession,
    `
    02 00 00*6                # op code: service 0 (cipher), 2 (create)
    03 00 00 00               # cipher algorithm: AES CBC
    10 00 00 00               # cipher key length: 16
    02 00 00 00               # hash algorithm
    14 00 00 00               # result length: 20
    20 00 00 00               # auth key length: 32
    08 00 00 00               # aad length: 8
    02                        # operation type: chaining
    01                        # direction: encrypt
    02                        # hash mode: auth
    01                        # chain order: hash then cipher
    00*4 00*8 00*8            # padding, two pointers without meaning
    c1*16 00*48               # cipher key, 64 bytes
    a2*32 00*480              # auth key, 512 bytes
    00*432                    # rest of the union
    2a 00*7                   # session id`,
    {
      opCode: 2n,
      parameters: {
        kind: "symmetric",
        cipherAlgorithm: 3,
        hashAlgorithm: 2,
        resultSize: 20,
        aadSize: 8,
        operationType: 2,
        direction: 1,
        hashMode: 2,
        chainOrder: 1,
        cipherKey: filled(16, 0xc1),
        authKey: filled(32, 0xa2),
      },
      sessionId: 42n,
    },
  ),
  vector(
    "a refused asymmetric crypto session",
    p.cryptoSession,
    `
    04 04 00*6                # op code: service 4 (akcipher), 4 (create)
    01 00 00 00               # algorithm: RSA
    02 00 00 00               # key type: private
    03 00 00 00               # key length
    00*4 00*8                 # padding, pointer without meaning
    01 00 00 00               # padding algorithm: PKCS1
    04 00 00 00               # hash algorithm
    07 08 09 00*1021          # key, 1024 bytes
    ff*8                      # session id: -1`,
    {
      opCode: 0x404n,
      parameters: {
        kind: "asymmetric",
        algorithm: 1,
        keyType: 2,
        paddingAlgorithm: 1,
        hashAlgorithm: 4,
        key: Uint8Array.of(7, 8, 9),
      },
      sessionId: -1n,
    },
  ),
  vector("a shared object", p.sharedObject, "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff", {
    uuid: Uint8Array.from({ length: 16 }, (_, index) => index * 0x11),
  }),
  vector(
    "parameters of a device state transfer",
    p.deviceStateParams,
    `
    01 00 00 00               # direction: load
    00 00 00 00               # phase: stopped`,
    { direction: 1, phase: 0 },
  ),
  vector(
    "a mapping of shared memory",
    p.mmap,
    `
    05                        # shmid
    00*7                      # padding
    00 10 00*6                # offset in the file
    00 00 20 00*5             # offset in the region
    00 40 00*6                # length
    01 00*7                   # flags: writable`,
    { shmid: 5, fdOffset: 0x1000n, shmOffset: 0x20_0000n, length: 0x4000n, flags: 1n },
  ),
  vector(
    "a shared memory configuration",
    p.shmemConfig,
    `
    02 00 00 00               # regions that are not empty
    00 00 00 00               # padding
    00 10 00*6                # region 0
    00*2032                   # regions 1 to 254
    00 00 00 40 00*4          # region 255`,
    {
      numRegions: 2,
      sizes: [0x1000n, ...Array<bigint>(254).fill(0n), 0x4000_0000n],
    },
  ),
];
