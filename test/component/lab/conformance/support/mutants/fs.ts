import { FuseOpcode } from "../../../../../../src/endpoints/devices/fs/index.ts";
import type { Mutant } from "../mutant.ts";
import { meddles, type SeenRequest } from "../seen-request.ts";

const { Forget, Getattr, Init, Lookup, Read } = FuseOpcode;

const opcodeOf = ({ readable }: SeenRequest): number => Buffer.concat(readable).readUInt32LE(4);
const lengthOf = ({ readable }: SeenRequest): number => Buffer.concat(readable).readUInt32LE(0);
const nodeOf = ({ readable }: SeenRequest): bigint => Buffer.concat(readable).readBigUInt64LE(16);

/** Changes a byte of the reply, counted from its beginning. */
function spoil({ writable }: SeenRequest, at: number, value: number): void {
  for (const segment of writable) {
    if (at < segment.length) {
      segment[at] = value;
      return;
    }
    at -= segment.length;
  }
}

/** The lowest byte of an inode number, in the replies to LOOKUP and to GETATTR. */
const ENTRY_INODE = 16 + 40;
const ATTRIBUTES_INODE = 16 + 16;

/** Replaces the inode number in a reply by one that is the same for all files. */
function numberAlike(request: SeenRequest): void {
  const at = opcodeOf(request) === Lookup ? ENTRY_INODE : ATTRIBUTES_INODE;
  for (let i = 0; i < 8; i += 1) spoil(request, at + i, i === 0 ? 7 : 0);
}

/** The error field, as -errno. */
function fail(request: SeenRequest, error: number): void {
  for (let i = 0; i < 4; i += 1) spoil(request, 4 + i, (-error >> (8 * i)) & 0xff);
}

const replies = (summary: string, opcode: number, change: (request: SeenRequest) => void): Mutant =>
  meddles(
    summary,
    {
      served: (request) => {
        if (opcodeOf(request) === opcode) change(request);
      },
    },
    "fs",
  );

const crashes = (summary: string, deadly: (request: SeenRequest) => boolean): Mutant =>
  meddles(
    `dies by SIGSEGV of ${summary}`,
    {
      arrives: (request, world) => {
        if (deadly(request)) world.crash("SIGSEGV");
      },
    },
    "fs",
  );

export const fs: Readonly<Record<string, Mutant>> = {
  "fs/1": replies("speaks version 8", Init, (request) => spoil(request, 16, 8)),
  "fs/2": replies("serves before it was greeted", Getattr, (request) => fail(request, 0)),
  "fs/3": replies("finds whatever it is asked for", Lookup, (request) => fail(request, 0)),
  "fs/4": replies("reads something else each time", Read, (request) => {
    spoil(request, 16, Math.floor(performance.now() * 1000) & 0xff);
  }),
  "fs/8": crashes("a length beyond the request", (request) => lengthOf(request) === 0xffff_ffff),
  "fs/9": meddles(
    "writes its reply into whatever room there is",
    {
      arrives: ({ writable: [room] }) => {
        if (room?.length === 8) new Uint8Array(room.buffer, room.byteOffset, 120).fill(1);
      },
    },
    "fs",
  ),
  "fs/10": meddles(
    "says that it answered FORGET",
    { served: (request) => (opcodeOf(request) === Forget ? 16 : undefined) },
    "fs",
  ),
  "fs/11": replies("answers unknown requests with EIO", 4000, (request) => fail(request, 5)),
  "fs/18": meddles(
    "gives every file the inode number 7",
    {
      served: (request) => {
        const opcode = opcodeOf(request);
        if (opcode === Getattr || opcode === Lookup) numberAlike(request);
      },
    },
    "fs",
  ),
  "fs/12": crashes("an unknown node", (request) => nodeOf(request) === 0xdead_beefn),
};
