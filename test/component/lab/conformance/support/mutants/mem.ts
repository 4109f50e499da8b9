import { fstatSync } from "node:fs";
import { type OwnedFd, Seal, sealsOf } from "../../../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  type MemoryRegion,
  type MemoryTable,
} from "../../../../../../src/core/protocol/index.ts";
import type { Incoming, RequestHandler } from "../../../../../../src/core/session/index.ts";
import type { Frame } from "../../../../../../src/core/transport/index.ts";
import {
  crashesOn,
  fault,
  hangsOn,
  type Mutant,
  throughChannel,
  throughHandler,
} from "../mutant.ts";

import { keepsMappings } from "./conn.ts";

const { SetMemTable } = FrontendRequest;

/** A back-end that takes another memory table than the one it was given. */
const taking = (
  summary: string,
  change: (regions: readonly MemoryRegion[], fds: Incoming["fds"]) => readonly MemoryRegion[],
): Mutant =>
  throughHandler(summary, () => ({
    [SetMemTable]: (plain: RequestHandler) => (payload, incoming) => {
      const { regions } = payload as MemoryTable;
      return plain({ regions: change(regions, incoming.fds) }, incoming);
    },
  }));

const cut = (fds: Incoming["fds"], length: number): void => {
  for (const fd of fds.splice(length)) fd.close();
};

/** The words of the first region of a SET_MEM_TABLE, and how many there are said to be. */
function tableOf({ header, payload }: Frame): { count: number; regions: MemoryRegion[] } {
  if (header.request !== SetMemTable || payload.length < 8) return { count: -1, regions: [] };
  const view = Buffer.from(payload);
  const regions = Array.from({ length: Math.floor((payload.length - 8) / 32) }, (_, i) => ({
    guestAddress: view.readBigUInt64LE(8 + 32 * i),
    size: view.readBigUInt64LE(16 + 32 * i),
    userAddress: view.readBigUInt64LE(24 + 32 * i),
    mmapOffset: view.readBigUInt64LE(32 + 32 * i),
  }));
  return { count: view.readUInt32LE(0), regions };
}

/** Makes the number of regions fit the payload, and the descriptors fit both. */
function fitted(frame: Frame): Frame {
  const { regions } = tableOf(frame);
  const count = Math.min(regions.length, 8, frame.fds.length);
  const payload = Buffer.from(frame.payload.subarray(0, 8 + 32 * count));
  payload.writeUInt32LE(count, 0);
  cut(frame.fds, count);
  return { ...frame, header: { ...frame.header, size: payload.length }, payload };
}

const overlap = (frame: Frame, field: "guestAddress" | "userAddress"): boolean => {
  const [first, second] = tableOf(frame).regions;
  if (first === undefined || second === undefined) return false;
  return second[field] > first[field] && second[field] < first[field] + first.size;
};

const beyond = ({ guestAddress, userAddress, mmapOffset, size }: MemoryRegion): boolean =>
  [guestAddress, userAddress, mmapOffset].some((start) => start + size > 2n ** 64n);

export const mem: Readonly<Record<string, Mutant>> = {
  "mem/1": fault("refuse@SET_MEM_TABLE"),
  "mem/2": taking("maps the first four regions only", (regions, fds) => {
    cut(fds, 4);
    return regions.slice(0, 4);
  }),
  "mem/3": taking("maps from the beginning of the file", (regions) =>
    regions.map((region) => ({ ...region, mmapOffset: 0n })),
  ),
  "mem/5": taking("takes a file that it has mapped already for the same region", (regions, fds) => {
    const inodes = fds.map(({ fd }) => fstatSync(fd).ino);
    const first = regions.filter((_, i) => inodes.indexOf(inodes[i] ?? 0) === i);
    cut(fds, first.length);
    return first;
  }),
  "mem/6": taking("looks for rings at guest addresses", (regions) =>
    regions.map((region) => ({ ...region, userAddress: region.guestAddress })),
  ),
  "mem/7": taking("keeps 39 bits of a guest address", (regions) =>
    regions.map((region) => ({ ...region, guestAddress: region.guestAddress % 2n ** 39n })),
  ),
  "mem/8": taking("keeps 47 bits of a user address", (regions) =>
    regions.map((region) => ({ ...region, userAddress: region.userAddress % 2n ** 47n })),
  ),
  "mem/9": taking("sorts regions and not their descriptors", (regions) =>
    regions.toSorted((a, b) => (a.guestAddress < b.guestAddress ? -1 : 1)),
  ),
  "mem/10": throughHandler("keeps the first memory table", () => {
    const set = new WeakSet<object>();
    return {
      [SetMemTable]: (plain, session) => async (payload, incoming) => {
        if (set.has(session())) return;
        set.add(session());
        await plain(payload, incoming);
      },
    };
  }),
  "mem/12": taking("takes the last descriptor for all regions that have none", (regions, fds) => {
    while (fds.length < regions.length) fds.push((fds.at(-1) as Incoming["fds"][0]).duplicate());
    return regions;
  }),
  "mem/13": hangsOn(
    "more descriptors than regions",
    (frame) => frame.fds.length > tableOf(frame).regions.length && tableOf(frame).count > 0,
  ),
  "mem/14": throughChannel("takes what it has room for of too many regions", () => ({
    received: (frame) => (tableOf(frame).count > 8 ? fitted(frame) : frame),
  })),
  "mem/15": crashesOn("a table without regions", (frame) => tableOf(frame).count === 0),
  "mem/16": throughChannel("takes as many regions as came", () => ({
    received: (frame) => (tableOf(frame).count === 8 ? fitted(frame) : frame),
  })),
  "mem/17": crashesOn("a region of no bytes", (frame) =>
    tableOf(frame).regions.some(({ size }) => size === 0n),
  ),
  "mem/18": taking("leaves regions out whose end is beyond 2^64", (regions, fds) => {
    const fine = regions.filter((region) => !beyond(region));
    cut(fds, fine.length);
    return fine;
  }),
  "mem/19": crashesOn(
    "a region that is larger than its file",
    (frame) =>
      tableOf(frame).regions.some(({ mmapOffset, size }, i) => {
        const file = frame.fds[i];
        return file !== undefined && fstatSync(file.fd).size < mmapOffset + size;
      }),
    "SIGBUS",
  ),
  "mem/20": crashesOn("a descriptor that is not a file", (frame) =>
    frame.fds.some(({ fd }) => fstatSync(fd).isCharacterDevice()),
  ),
  "mem/21": crashesOn("overlapping guest addresses", (frame) => overlap(frame, "guestAddress")),
  "mem/22": crashesOn("overlapping user addresses", (frame) => overlap(frame, "userAddress")),
  "mem/23": taking("takes no file whose size is sealed", (regions, fds) => {
    const isSealed = ({ fd }: OwnedFd): boolean => ((sealsOf(fd) ?? 0) & Seal.Grow) !== 0;
    if (fds.some(isSealed)) throw new Error("sealed");
    return regions;
  }),
  "mem/25": keepsMappings,
  "mem/27": taking("takes no region of more than 512 GiB", (regions) => {
    if (regions.some(({ size }) => size > 2n ** 39n)) throw new Error("too large");
    return regions;
  }),
};
