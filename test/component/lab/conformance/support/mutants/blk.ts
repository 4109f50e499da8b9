import { BlockRequest } from "../../../../../../src/endpoints/devices/block/index.ts";
import { type Config, FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { answers, fault, type Mutant, throughQueue } from "../mutant.ts";
import { meddles, type SeenRequest } from "../seen-request.ts";

const SECTOR = 512;
/** seg_max of our disks. */
const SEGMENTS = 126;
const { Discard, Flush, GetId, In, Out, WriteZeroes } = BlockRequest;
/** Of the disk that the test makes. */
const CAPACITY = 2048n;

/** Answers some requests with another status. */
const says = (
  summary: string,
  status: number,
  when: (request: SeenRequest) => boolean,
  base?: Mutant["base"],
): Mutant =>
  meddles(
    summary,
    {
      served: (request) => {
        if (when(request)) request.status = status;
      },
    },
    base,
  );

const crashesOf = (summary: string, deadly: (request: SeenRequest) => boolean): Mutant =>
  meddles(`dies by SIGSEGV of ${summary}`, {
    arrives: (request, world) => {
      if (deadly(request)) world.crash("SIGSEGV");
    },
  });

const config = (summary: string, change: (view: DataView) => void): Mutant =>
  answers<Config>(summary, FrontendRequest.GetConfig, (value) => {
    const data = value.data.slice();
    if (data.length >= 60) change(new DataView(data.buffer));
    return { ...value, data };
  });

const dataOf = ({ readable }: SeenRequest): Buffer => Buffer.concat(readable).subarray(16);
const flagsOf = (request: SeenRequest): number => {
  const data = dataOf(request);
  return data.length >= 16 ? data.readUInt32LE(12) : 0;
};
const isRange = ({ type }: SeenRequest): boolean => type === Discard || type === WriteZeroes;

export const blk: Readonly<Record<string, Mutant>> = {
  "blk/1": config("has blocks of 1000 bytes", (view) => view.setUint32(20, 1000, true)),
  "blk/2": fault("corrupt-write"),
  "blk/3": says("cannot read its last sector", 1, ({ type, sector }) => {
    return type === In && sector === CAPACITY - 1n;
  }),
  "blk/4": says("succeeds in reading beyond its end", 0, ({ type, sector }) => {
    return type === In && sector === CAPACITY;
  }),
  "blk/5": says("succeeds in writing beyond its end", 0, (request) => {
    return request.type === Out && request.sector + BigInt(dataOf(request).length / 512) > CAPACITY;
  }),
  "blk/6": crashesOf("sector 2^64 - 1", ({ sector }) => sector === 2n ** 64n - 1n),
  "blk/7": says("reads 100 bytes", 0, ({ type, writable: [first] }) => {
    return type === In && first?.length === 100;
  }),
  "blk/8": says("answers unknown types with an I/O error", 1, ({ type }) => type === 77),
  "blk/9": meddles("writes 20 bytes of name into whatever room there is", {
    served: ({ type, writable: [first] }) => {
      if (type !== GetId || first === undefined || first.length >= 20) return;
      new Uint8Array(first.buffer, first.byteOffset, 20).fill(1);
    },
  }),
  "blk/10": says("cannot flush", 1, ({ type }) => type === Flush),
  "blk/12": says(
    "succeeds in writing to a read-only disk",
    0,
    ({ type }) => type === Out,
    "read-only",
  ),
  "blk/13": says("does not support DISCARD", 2, ({ type }) => type === Discard),
  "blk/14": says("takes DISCARD with the unmap flag", 0, (request) => {
    return request.type === Discard && flagsOf(request) === 1;
  }),
  "blk/15": meddles("zeroes a sector too many", {
    arrives: (request) => {
      const [, range] = request.readable;
      if (request.type === WriteZeroes && range?.length === 16) range[8] = (range[8] ?? 0) + 1;
    },
  }),
  "blk/16": says("takes unknown flags", 0, (request) => {
    return isRange(request) && flagsOf(request) === 2;
  }),
  "blk/17": says("succeeds with ranges beyond its end", 0, (request) => {
    return isRange(request) && dataOf(request).readBigUInt64LE(0) === CAPACITY - 1n;
  }),
  "blk/19": throughQueue("serves no more than 64 segments", (queue) => ({
    next(cursor) {
      if (!queue.next(cursor)) return false;
      if (cursor.spans.count <= 64) return true;
      queue.fail("got more than 64 segments", "2.7");
      return false;
    },
  })),
  "blk/21": config("promises 9 queues", (view) => view.setUint16(34, 9, true)),
  "blk/22": meddles("does not count the status", {
    served: ({ type }, written) => (type === Out ? written - 1 : written),
  }),
  "blk/23": crashesOf(
    "a request without room for a status",
    ({ writable }) => writable.length === 0,
  ),
  "blk/24": crashesOf("a header of 8 bytes", ({ readable: [first] }) => first?.length === 8),
  "blk/31": config("leaves padding unset", (view) => view.setUint8(58, 0xaa)),
  "blk/32": says("takes requests for zones", 0, ({ type }) => type === 18),
  "blk/40": says(
    "passes addresses of data to a file that is open with O_DIRECT",
    1,
    ({ readable, writable }) =>
      [...readable, ...writable].some(
        ({ length, byteOffset }) => length >= 512 && byteOffset % 512 !== 0,
      ),
  ),
  "blk/41": meddles("fills whole sectors of each segment alone", {
    served: ({ type, writable }) => {
      if (type !== In) return;
      for (const segment of writable.slice(0, -1))
        segment.fill(0, segment.length - (segment.length % SECTOR));
    },
  }),
  "blk/42": meddles("leaves out the segments beyond seg_max", {
    served: ({ type, writable }) => {
      if (type === In) for (const segment of writable.slice(SEGMENTS, -1)) segment.fill(0xa5);
    },
  }),
  "blk/43": meddles(
    "punches a hole for each WRITE_ZEROES",
    {
      arrives: ({ type, readable: [, range] }) => {
        if (type === WriteZeroes && range?.length === 16) range[12] = 1;
      },
    },
    "file",
  ),
  "blk/44": says(
    "passes the error of fsync(2) on, of a read-only disk",
    1,
    ({ type }) => type === Flush,
    "read-only",
  ),
};
