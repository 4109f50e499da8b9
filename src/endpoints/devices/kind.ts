import type { ConfigLayout, DeviceType } from "../../core/protocol/index.ts";
import type { Device } from "../backend/index.ts";
import type { Client } from "../frontend/index.ts";

/**
 * A device type: its names, feature bits, configuration space and queues, and both of its ends where
 * this package has them. `probe`, the commands and the generated documentation work on kinds, so a
 * program can add a type by making one.
 *
 * @example
 * ```ts
 * export const entropyKind = {
 *   name: "rng",
 *   id: 4,
 *   features: [],
 *   queues: { once: ["requestq"] },
 *   device: async () => EntropyDevice,
 * } satisfies DeviceKind;
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
  /** Whether only a back-end of this type offers these virtio and protocol features. */
  recognizes?(virtio: bigint, protocol: bigint): boolean;
  /** The client's side. */
  readonly driver?: DriverSide;
  /**
   * Loads the class of the back-end's side. Loading on demand keeps the start of a program that only
   * needs names short.
   */
  readonly device?: () => Promise<DeviceClass>;
}

/** The virtqueues of a device type by VIRTIO's names, in the order of their indices. */
export interface QueueLayout {
  /** Queues that exist once and come before the repeated ones. */
  readonly once?: readonly string[];
  /** Queues that a device has any number of, e.g. a network device's pairs. */
  readonly repeated?: readonly string[];
  /** Queues that exist once and come after the repeated ones. */
  readonly last?: readonly string[];
  /** What GET_QUEUE_NUM counts: each queue (the default) or repetitions, as of a network device. */
  readonly counted?: "queues" | "repetitions";
}

/** The driver of a device type. */
export interface DriverSide<Driver = unknown, Options = never> {
  /** Feature bits of the device type that the driver uses where they are offered. */
  readonly features: bigint;
  /** Starts the queues of a client that was brought up with {@link features}, or fewer. */
  start(client: Client, options?: Options): Promise<Driver>;
}

/** The class of a device type's back-end side. */
export type DeviceClass<Options = never> = new (options: Options) => Device;
