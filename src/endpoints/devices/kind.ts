import type {
  ChainBytes,
  ChainLayouts,
  ChainWords,
  ConfigLayout,
  DeviceType,
} from "../../core/protocol/index.ts";

/**
 * Describes a device type: its names, feature bits, configuration space and queues. `probe`, `trace`,
 * the conformance suite and the generated documentation work on kinds, so a program can add a type
 * by making one.
 *
 * @example
 * ```ts
 * export const entropyKind: DeviceKind = {
 *   name: "rng",
 *   id: 4,
 *   features: [],
 *   queues: { once: ["requestq"] },
 * };
 * ```
 */
export interface DeviceKind extends DeviceType {
  /** The virtio device id (VIRTIO 5). */
  readonly id: number;
  /** Further names, as QEMU, Linux and back-end programs use them, e.g. `snd`. */
  readonly aliases?: readonly string[];
  /** The configuration space, of types that have one. */
  readonly config?: ConfigLayout;
  readonly queues: QueueLayout;
  /** Names, or beginnings of names, of back-end programs that serve no other type. */
  readonly programs?: readonly string[];
  /** Returns whether only a back-end of this type offers these virtio and protocol features. */
  recognizes?(virtio: bigint, protocol: bigint): boolean;
  /** Returns whether these bytes are a configuration space of this type, where the offer shows no type. */
  recognizesConfig?(config: Uint8Array): boolean;
  /** True if QEMU asks for a request queue per vCPU unless it is given a number. */
  readonly queuePerProcessor?: true;
  /** The numbers in the chains of its queues, by queue, of types whose requests a table describes. */
  readonly chains?: ChainLayouts;
  /**
   * Puts a chain in words, of types that need more than {@link chains}. Takes any bytes.
   *
   * @param features the negotiated virtio features
   */
  describeChain?(chain: ChainBytes, ring: number, features: bigint): ChainWords;
  /** Returns what of an offer of this type is allowed and surprises users. */
  hints?(virtio: bigint, config: Readonly<Record<string, unknown>>): readonly Hint[];
  /** Returns whether a front-end of this type behaves so. Left out: it is not known. */
  recognizesFrontend?(behaviour: FrontendBehaviour): Likeness;
}

/** Something that a back-end may do and that its users may not expect. */
export interface Hint {
  /** It never changes its meaning, e.g. `large-blocks`. */
  readonly id: string;
  /** One sentence: the property, and what follows from it. */
  readonly text: string;
}

/** The likeness of something to a device type: `surely` excludes every other type. */
export type Likeness = "surely" | "perhaps" | "no";

/** The behaviour of a front-end that depends on its device type, towards an offer that fits many types. */
export interface FrontendBehaviour {
  /** Feature bits of the device type (0 to 23) that it acknowledged. */
  readonly features: bigint;
  /** Protocol features that its requests need. */
  readonly protocol: bigint;
  /** One more than the highest index of a ring that it named; 0: it named none. */
  readonly rings: number;
  /** End of the part of the configuration space that it read, in bytes; 0: it read none. */
  readonly configEnd: number;
  /** True if it enabled rings that it had not set up: QEMU does for network cards. */
  readonly enablesEarly: boolean;
}

/** The virtqueues of a device type by VIRTIO's names, in the order of their indices. */
export interface QueueLayout {
  /** Queues that exist once and come before the repeated ones. */
  readonly once?: readonly string[];
  /** Queues that a device has any number of, e.g. a network device's pairs. */
  readonly repeated?: readonly string[];
  /** Queues that exist once and come after the repeated ones. */
  readonly last?: readonly string[];
  /** The unit of GET_QUEUE_NUM: queues (the default), or repetitions as for a network device. */
  readonly counted?: "queues" | "repetitions";
}

/** Returns VIRTIO's name of a ring's queue; undefined for a queue whose index depends on their number. */
export function queueName({ queues }: DeviceKind, ring: number): string | undefined {
  const { once = [], repeated = [], last = [] } = queues;
  if (ring < once.length) return once[ring];
  const behind = ring - once.length;
  return repeated.length > 0 ? repeated[behind % repeated.length] : last[behind];
}
