import {
  decodeLenient,
  FrontendRequest,
  type MemoryRegion,
  type PayloadOf,
  requestSpec,
  VirtioFeature,
  type VringAddress,
} from "../../../../core/protocol/index.ts";
import { nameOf } from "../back-end/session.ts";
import { CaseFailure } from "../../../engine/index.ts";
import type { Message } from "./mock.ts";

const {
  AddMemReg,
  RemMemReg,
  SetFeatures,
  SetMemTable,
  SetVringAddr,
  SetVringKick,
  SetVringNum,
  GetVringBase,
} = FrontendRequest;

/** @throws {CaseFailure} the payload is too short for the request */
export function payloadOf<R extends FrontendRequest>(message: Message, request: R): PayloadOf<R> {
  const codec = requestSpec("front-end", request)?.payload;
  const { length } = message.payload;
  if (codec !== undefined && length >= codec.minSize) {
    return decodeLenient(codec, message.payload) as PayloadOf<R>;
  }
  throw new CaseFailure(`the payload of ${nameOf(request)} is too short`, {
    expected: `${codec?.minSize} bytes`,
    actual: `${length} bytes`,
  });
}

/** Messages of one request, with what they carry. */
export function sent<R extends FrontendRequest>(
  messages: readonly Message[],
  request: R,
): { readonly at: number; readonly message: Message; readonly value: PayloadOf<R> }[] {
  return messages.flatMap((message, at) =>
    message.header.request === request ? [{ at, message, value: payloadOf(message, request) }] : [],
  );
}

/** Position of the first message of these requests; the number of messages: there is none. */
export function firstOf(messages: readonly Message[], requests: readonly number[]): number {
  const at = messages.findIndex(({ header }) => requests.includes(header.request));
  return at < 0 ? messages.length : at;
}

/** Rings that run after these messages. */
export function running(messages: readonly Message[]): readonly number[] {
  const rings = new Set<number>();
  for (const message of messages) {
    const { request } = message.header;
    if (request === SetVringKick) rings.add(payloadOf(message, SetVringKick).index);
    if (request === GetVringBase) rings.delete(payloadOf(message, GetVringBase).index);
  }
  return [...rings];
}

/** The state of a back-end when SET_VRING_ADDR arrives. */
export interface AddressMoment {
  readonly regions: readonly MemoryRegion[];
  readonly address: VringAddress;
  readonly features: bigint;
  /** Number of entries of the ring; 0 if SET_VRING_NUM was not sent. */
  readonly size: number;
}

/** Every SET_VRING_ADDR, with the memory and the features of that moment. */
export function addressMoments(messages: readonly Message[]): AddressMoment[] {
  let regions: readonly MemoryRegion[] = [];
  let features = 0n;
  const sizes = new Map<number, number>();
  const moments: AddressMoment[] = [];
  for (const message of messages) {
    switch (message.header.request) {
      case SetFeatures:
        features = payloadOf(message, SetFeatures);
        break;
      case SetMemTable:
        ({ regions } = payloadOf(message, SetMemTable));
        break;
      case AddMemReg:
        regions = [...regions, payloadOf(message, AddMemReg).region];
        break;
      case RemMemReg: {
        const { guestAddress } = payloadOf(message, RemMemReg).region;
        regions = regions.filter((region) => region.guestAddress !== guestAddress);
        break;
      }
      case SetVringNum: {
        const { index, num } = payloadOf(message, SetVringNum);
        sizes.set(index, num);
        break;
      }
      case SetVringAddr: {
        const address = payloadOf(message, SetVringAddr);
        moments.push({ regions, address, features, size: sizes.get(address.index) ?? 0 });
        break;
      }
    }
  }
  return moments;
}

/** A part of a ring: bytes from an address on. */
export interface RingPart {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: number;
  readonly alignment: bigint;
}

/** VIRTIO 2.7 and 2.8: size and alignment of a ring's three parts. */
export function partsOf({ address, features, size }: AddressMoment): readonly RingPart[] {
  const packed = (features & VirtioFeature.RingPacked) !== 0n;
  const event = (features & VirtioFeature.EventIdx) === 0n ? 0 : 2;
  const descriptors = { name: "descriptor", address: address.descriptor, bytes: 16 * size };
  const [available, used] = packed ? [4, 4] : [4 + 2 * size + event, 4 + 8 * size + event];
  return [
    { ...descriptors, alignment: 16n },
    {
      name: packed ? "driver event" : "available",
      address: address.available,
      bytes: available,
      alignment: packed ? 4n : 2n,
    },
    {
      name: packed ? "device event" : "used",
      address: address.used,
      bytes: used,
      alignment: 4n,
    },
  ];
}
