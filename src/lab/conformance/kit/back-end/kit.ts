import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import type { SuiteMemory } from "./memory.ts";

/** A request that is laid out in shared memory, and how to judge what the device made of it. */
export interface KitRequest {
  /** Buffers that the device reads, in the order of the chain. */
  readonly readable: readonly GuestBuffer[];
  /** Buffers that the device writes; they follow the readable ones. */
  readonly writable: readonly GuestBuffer[];
  /**
   * Returns what is wrong with the answer; undefined: nothing.
   *
   * @param written bytes that the device reports in the used ring; they may be wrong
   */
  readonly wrong: (written: number) => string | undefined;
  /**
   * Returns whether the device answered with an error of its protocol. Left out where `wrong` finds
   * such an answer, and where requests have none.
   */
  readonly failed?: () => boolean;
}

/** A read request, and the buffer that it fills. */
export interface ReadRequest extends KitRequest {
  readonly data: GuestBuffer;
}

/** Data that a device keeps, so that a check can see whether a request had an effect. */
export interface Effect {
  /** Virtio feature bits with which the device refuses to change its data. */
  readonly readOnly?: bigint;
  /** Makes a request that reads the data at a place; places do not overlap. Default 0. */
  read(memory: SuiteMemory, place?: number): ReadRequest;
  /** Makes a request that replaces the data at a place by as many bytes as {@link read} reads. */
  write(memory: SuiteMemory, bytes: Uint8Array, place?: number): KitRequest;
}

/** The requests with which the suite can judge whether a device of one type is served. */
export interface RequestKit {
  /** The device type. */
  readonly kind: DeviceKind;
  /** Indices of the rings that must run before the device serves requests. */
  readonly rings: readonly number[];
  /** The one of {@link rings} that takes {@link request}. */
  readonly ring: number;
  /**
   * Virtio feature bits that a driver acknowledges to use more than the first request ring. Default:
   * none are needed.
   */
  readonly multiqueue?: bigint;
  /**
   * Returns the indices of all rings that take requests.
   *
   * @param queueNum the reply to GET_QUEUE_NUM, which counts pairs on network devices
   */
  requestRings(queueNum: number): readonly number[];
  /**
   * Makes a request that has no lasting effect. Two requests differ where the type allows it.
   *
   * @param scale multiplies the size of the data, of types whose requests have a size; default 1
   */
  request(memory: SuiteMemory, scale?: number): KitRequest;
  /** Left out: such a device keeps no data that a request could change. */
  readonly effect?: Effect;
}
