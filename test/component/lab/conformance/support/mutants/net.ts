import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import { type Mutant, throughHandler, throughQueue } from "../mutant.ts";
import { meddles, type SeenRequest } from "../seen-request.ts";

const { NetSetMtu, SendRarp, SetVringEnable, SetVringKick } = FrontendRequest;
const HEADER_BYTES = 12;
const NUM_BUFFERS_OFFSET = 10;

/** Packets to the driver, from their headers on; nothing else begins with as many zeros. */
const receives = (summary: string, change: (packet: Buffer) => void): Mutant =>
  meddles(
    summary,
    {
      served: ({ writable: [packet] }) => {
        if (packet?.subarray(1, NUM_BUFFERS_OFFSET).every((byte) => byte === 0)) {
          change(Buffer.from(packet.buffer, packet.byteOffset, packet.length));
        }
      },
    },
    "net",
  );

const bytesOf = ({ readable }: SeenRequest): number =>
  readable.reduce((sum, { length }) => sum + length, 0);

const crashes = (summary: string, deadly: (request: SeenRequest) => boolean): Mutant =>
  meddles(
    `dies by SIGSEGV of ${summary}`,
    {
      arrives: (request, world) => {
        if (deadly(request)) world.crash("SIGSEGV");
      },
    },
    "net",
  );

export const net: Readonly<Record<string, Mutant>> = {
  "net/1": receives("flips a bit of a frame", (packet) => {
    packet.writeUInt8(packet.readUInt8(HEADER_BYTES + 50) ^ 1, HEADER_BYTES + 50);
  }),
  "net/2": receives("leaves num_buffers 0 where buffers are not merged", (packet) => {
    if (packet.readUInt16LE(NUM_BUFFERS_OFFSET) === 1) packet.writeUInt16LE(0, NUM_BUFFERS_OFFSET);
  }),
  "net/3": receives("counts one buffer too few", (packet) => {
    const buffers = packet.readUInt16LE(NUM_BUFFERS_OFFSET);
    if (buffers > 1) packet.writeUInt16LE(buffers - 1, NUM_BUFFERS_OFFSET);
  }),
  "net/4": meddles(
    "writes a frame over the end of its buffer",
    {
      arrives: ({ writable: [room] }) => {
        if (room?.length === 64) new Uint8Array(room.buffer, room.byteOffset, 100).fill(1);
      },
    },
    "net",
  ),
  "net/5": throughHandler(
    "does not disable rings",
    () => ({
      [SetVringEnable]: (plain) => (payload, incoming) =>
        (payload as VringState).num === 0 ? undefined : plain(payload, incoming),
    }),
    { base: "net" },
  ),
  "net/6": throughHandler(
    "switches all pairs with the first",
    () => ({
      [SetVringEnable]: (plain) => async (payload, incoming) => {
        const { index, num } = payload as VringState;
        if (index < 2) await plain({ index: index + 2, num }, incoming);
        return plain(payload, incoming);
      },
    }),
    { base: "net" },
  ),
  "net/8": crashes("a packet of 4 bytes", (packet) => bytesOf(packet) === 4),
  "net/10": crashes("a frame of 70000 bytes", (packet) => bytesOf(packet) > 70_000),
  "net/11": throughHandler("takes any MTU", () => ({ [NetSetMtu]: () => () => undefined }), {
    base: "net",
  }),
  "net/12": throughHandler(
    "announces another address",
    () => ({
      [SendRarp]: (plain) => (payload, incoming) => plain((payload as bigint) ^ 1n, incoming),
    }),
    { base: "net" },
  ),
  "net/13": throughQueue(
    "never looks again at a receive ring that was empty",
    (queue) => {
      let receiving = false;
      let ended = false;
      return {
        next: (cursor) => {
          if (ended || !queue.next(cursor)) {
            ended = receiving;
            return false;
          }
          receiving = cursor.readableSpans === 0;
          return true;
        },
      };
    },
    "net",
  ),
  "net/14": meddles(
    "says that it wrote to what it transmits",
    { served: (packet) => bytesOf(packet) || undefined },
    "net",
  ),
  "net/18": meddles(
    "takes an unknown flag for NEEDS_CSUM",
    {
      arrives: ({ readable: [packet] }) => {
        if (packet?.[0] === 0x80) packet[0] = 1;
      },
    },
    "net",
  ),
  "net/19": receives("vouches for checksums that were not negotiated", (packet) => {
    packet[0] = 2;
  }),
  "net/21": throughHandler(
    "takes an MTU for a hint",
    () => ({
      [NetSetMtu]: (plain) => (_mtu, incoming) => plain(65535n, incoming),
    }),
    { base: "net" },
  ),
  "net/22": throughHandler(
    "starts rings ten times and no more",
    () => {
      let starts = 0;
      return {
        [SetVringKick]: (plain) => (payload, incoming) => {
          starts += 1;
          return starts > 10 ? undefined : plain(payload, incoming);
        },
      };
    },
    { base: "net" },
  ),
};
