import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { Device } from "../../../../endpoints/backend/index.ts";
import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import type { Findings } from "../findings.ts";
import type { Times } from "../times.ts";
import type { SuiteMemory } from "./memory.ts";
import type { Session } from "./session.ts";
import type { RunningDevice } from "./running-device.ts";

/** A request that is laid out in shared memory, and how to judge what the device made of it. */
export interface KitRequest {
  /** Buffers that the device reads, in the order of the chain. */
  readonly readable: readonly GuestBuffer[];
  /** Buffers that the device writes; they follow the readable ones. */
  readonly writable: readonly GuestBuffer[];
  /**
   * Returns what is wrong with the answer; undefined if nothing.
   *
   * @param written bytes that the device reports in the used ring; they may be wrong
   */
  readonly wrong: (written: number) => string | undefined;
  /**
   * Returns whether the device answered with an error of its protocol. Left out where `wrong` finds
   * such an answer, and where requests have none.
   */
  readonly failed?: () => boolean;
  /**
   * The buffer that the device fills with what it keeps at the first places of {@link Effect}: it is
   * compared with what the suite wrote there. Left out: the request reads nothing that is kept.
   */
  readonly content?: GuestBuffer;
  /**
   * `data`: an answer in which `wrong` finds nothing shows that the device read bytes of this request
   * and wrote them back. Left out: it shows that the chain was used, and no more.
   */
  readonly proves?: "data";
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

/** The part of a check's context that a kit may use. */
export interface KitPorts extends Pick<Findings, "expect" | "expectThat" | "observe" | "skip"> {
  readonly times: Times;
}

/** Compares a device with the one of which a {@link RequestKit.witness} was taken. */
export type Witness = (t: KitPorts, device: RunningDevice) => Promise<void>;

/** The device that the suite plays for a front-end under test. */
export interface PlayedDevice {
  /** Makes the device of one session. */
  device(): Device;
  /** Releases what the sessions share, e.g. a disk. */
  close(): void;
}

/** The configuration space, as checks of GET_CONFIG read it. */
export interface ConfigShape {
  /** Sizes in bytes, largest first: a device may refuse those that are larger than its space. */
  readonly sizes: readonly number[];
  /** Offsets of fields that do not change while a device runs. */
  readonly fields: readonly number[];
  /**
   * Bytes of the whole structure in the newest version of VIRTIO, of which devices and drivers may
   * know less. Default: nothing is known.
   */
  readonly structureBytes?: number;
}

/** A request of the protocol that belongs to one device type. */
export interface TypeRequest {
  readonly request: number;
  /** The protocol feature that must be offered. */
  readonly protocol: bigint;
  /** Virtio features that must be acknowledged. */
  readonly virtio: bigint;
  readonly payload: unknown;
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
   * @param queueNum how many queues there are, pairs of a network device
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
  /**
   * Returns how many descriptors a chain of requests may have. Default: as many as the ring.
   *
   * @param virtio the features that the device offers
   */
  readonly maxDescriptors?: (session: Session, virtio: bigint) => Promise<number | undefined>;
  /**
   * Returns how many queues the device has by its configuration space. Default: GET_QUEUE_NUM counts
   * them.
   */
  readonly queueCount?: (session: Session) => Promise<number | undefined>;
  /** Feature bits, and for each the bits of which it requires at least one (VIRTIO 2.2.2). */
  readonly dependencies?: readonly (readonly [bit: number, oneOf: readonly number[]])[];
  /** A field of the configuration space that no driver may write. */
  readonly readOnlyField?: { readonly offset: number; readonly size: number };
  /** A field of the configuration space that a driver may write once the feature is offered. */
  readonly writableField?: {
    readonly feature: bigint;
    readonly offset: number;
    readonly size: number;
  };
  /** Requests of this type that a front-end may send once their feature is offered. */
  readonly requests?: readonly TypeRequest[];
  /** True if front-ends may add each memory region once for every pair of queues. */
  readonly repeatsRegions?: true;
  /** Left out: the type has no configuration space. */
  readonly config?: ConfigShape;
  /**
   * Makes something on a device that must survive a migration, and returns the comparison. Default:
   * the device that continues must serve a request.
   */
  readonly witness?: (t: KitPorts, device: RunningDevice) => Promise<Witness>;
  /** Protocol features without which a front-end cannot use a device of this type. Default: none. */
  readonly requiredProtocol?: bigint;
  /** Makes the device that the suite plays. Left out: front-ends of this type are not judged. */
  readonly play?: () => PlayedDevice;
}
