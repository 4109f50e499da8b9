import { NegotiationError, ProtocolError } from "../base/index.ts";
import type { EventFd, OwnedFd } from "../os/index.ts";
import {
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../protocol/index.ts";
import type { RingMemory } from "../virtqueue/index.ts";
import type { IommuOptions } from "./iommu.ts";
import type { Notifications } from "./notifications.ts";
import type { ClientQueue } from "./queue.ts";
import type { FrontendRequests } from "./requests.ts";

/** Virtio features of transport and rings that this client can use; device bits come on top. */
export const CLIENT_RING_FEATURES: bigint =
  VirtioFeature.Version1 |
  VirtioFeature.IndirectDesc |
  VirtioFeature.EventIdx |
  VirtioFeature.RingReset;

/** Protocol features that this client can use. */
export const CLIENT_PROTOCOL_FEATURES: bigint =
  ProtocolFeature.Mq |
  ProtocolFeature.LogShmfd |
  ProtocolFeature.ReplyAck |
  ProtocolFeature.BackendReq |
  ProtocolFeature.Config |
  ProtocolFeature.ResetDevice |
  ProtocolFeature.ConfigureMemSlots |
  ProtocolFeature.Status |
  ProtocolFeature.DeviceState |
  ProtocolFeature.GpaAddresses;

/** Of a session that keeps what back-ends note in flight. */
export const KEPT_FEATURES: bigint =
  ProtocolFeature.InflightShmfd |
  ProtocolFeature.GetVringBaseInflight |
  ProtocolFeature.GetVringBaseSkipDrain;

/** Bits of the virtio device status, VIRTIO 2.1. */
const Status = { Acknowledge: 1, Driver: 2, DriverOk: 4, FeaturesOk: 8 } as const;

/** What a front-end would like to use, where it is offered. */
export interface Wishes {
  /** Device feature bits. Default none. */
  readonly deviceFeatures?: bigint | undefined;
  /**
   * Further protocol features to use: of requests that the caller makes, e.g.
   * `ProtocolFeature.CryptoSession`.
   */
  readonly protocolFeatures?: bigint | undefined;
  /** Uses packed rings where they are offered. Default false: split rings, as QEMU does. */
  readonly packed?: boolean | undefined;
  /** Has requests completed in their order where that is offered (VIRTIO_F_IN_ORDER). Default false. */
  readonly inOrder?: boolean | undefined;
  /** Uses I/O virtual addresses (VIRTIO_F_ACCESS_PLATFORM). Default false. */
  readonly iommu?: boolean | IommuOptions | undefined;
  /** Features not to use although they are offered. */
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint } | undefined;
}

/**
 * Agrees with the back-end on features, in the order that every back-end bears.
 *
 * @param openBackendChannel makes the channel for requests of the back-end; its other end is sent
 * @throws {NegotiationError} the back-end offers no VIRTIO_F_VERSION_1, or not what an IOMMU needs
 */
export async function negotiate(
  requests: FrontendRequests,
  { deviceFeatures = 0n, protocolFeatures = 0n, packed, inOrder, iommu, without }: Wishes,
  openBackendChannel: () => OwnedFd,
): Promise<void> {
  const offered = await requests.getFeatures();
  if ((offered & VirtioFeature.Version1) === 0n) {
    throw new NegotiationError(
      `expected a back-end that offers VIRTIO_F_VERSION_1, got features 0x${offered.toString(16)}`,
    );
  }
  const withProtocol = (offered & VirtioFeature.ProtocolFeatures) !== 0n;
  if (withProtocol) {
    const wanted = (CLIENT_PROTOCOL_FEATURES | protocolFeatures) & ~(without?.protocol ?? 0n);
    const usable = (await requests.getProtocolFeatures()) & wanted;
    // None of these may be acknowledged without the others.
    const keeps = (usable & KEPT_FEATURES) === KEPT_FEATURES;
    const partly = KEPT_FEATURES & ~ProtocolFeature.InflightShmfd;
    await requests.setProtocolFeatures(keeps ? usable : usable & ~partly);
    if (requests.negotiation.has(ProtocolFeature.BackendReq)) {
      const theirs = openBackendChannel();
      await requests.setBackendReqFd(theirs);
      theirs.close();
    }
  }
  if (iommu) expectIommu(requests, offered);
  await requests.setOwner();
  await addStatus(requests, Status.Acknowledge | Status.Driver);
  const format = (packed ? VirtioFeature.RingPacked : 0n) | (inOrder ? VirtioFeature.InOrder : 0n);
  const platform = iommu ? VirtioFeature.AccessPlatform : 0n;
  const usable = CLIENT_RING_FEATURES | format | platform | deviceFeatures;
  const wanted = usable & ~(without?.virtio ?? 0n);
  const gate = withProtocol ? VirtioFeature.ProtocolFeatures : 0n;
  await requests.setFeatures((offered & wanted) | gate);
  await addStatus(requests, Status.FeaturesOk);
}

/** Nobody could ask for translations otherwise, or know when they are there. */
function expectIommu({ negotiation }: FrontendRequests, offered: bigint): void {
  const { BackendReq, ReplyAck } = ProtocolFeature;
  const missing = [
    ...virtioFeatureNames(VirtioFeature.AccessPlatform & ~offered, undefined),
    ...protocolFeatureNames((BackendReq | ReplyAck) & ~negotiation.protocolFeatures),
  ];
  if (missing.length === 0) return;
  throw new NegotiationError(
    `expected a back-end with what an IOMMU needs, it lacks ${missing.join(", ")}; ` +
      `have the back-end offer it (serve: --iommu, DPDK: iommu-support=1), or do without`,
  );
}

/** What a back-end is told of a queue. */
export interface QueueSetup {
  readonly index: number;
  readonly ring: {
    readonly size: number;
    readonly base: number;
    readonly parts: Readonly<Record<keyof RingMemory, { readonly ringAddress: bigint }>>;
  };
  readonly kick: EventFd;
  readonly call: EventFd;
  readonly error: EventFd;
  readonly notifications: Notifications;
}

/** Sets a ring up, starts and enables it. @param base where it goes on */
export async function startRing(
  requests: FrontendRequests,
  queue: QueueSetup,
  base: number = queue.ring.base,
): Promise<void> {
  const { index, ring } = queue;
  const { descriptors, driver, device } = ring.parts;
  await requests.setVringNum(index, ring.size);
  await requests.setVringBase(index, base);
  await requests.setVringAddr({
    index,
    flags: 0,
    descriptor: descriptors.ringAddress,
    available: driver.ringAddress,
    used: device.ringAddress,
    log: 0n,
  });
  const { call = "eventfd", kick = "eventfd" } = queue.notifications;
  // What goes by message is not to be said; the first VRING_KICK starts the ring.
  if (call !== "message") {
    await requests.setVringErr(index, queue.error.descriptor);
    await requests.setVringCall(index, call === "none" ? undefined : queue.call.descriptor);
  }
  if (kick !== "message") {
    await requests.setVringKick(index, kick === "none" ? undefined : queue.kick.descriptor);
  }
  await enableRing(requests, index, true);
}

/** Tells that the driver is there, and makes sure that the back-end took the ring. */
export async function confirmStart(requests: FrontendRequests): Promise<void> {
  await addStatus(requests, Status.DriverOk);
  // libvhost-user acknowledges everything with success and closes afterwards: only an answer to one
  // more request shows that the ring was accepted.
  await requests.getFeatures();
}

/**
 * Stops a ring and collects what completed before.
 *
 * @param drain what is in work completes first; false: it stays noted as in flight
 * @returns where the ring stands
 * @throws {ProtocolError} the ring cannot stand there
 */
export async function stopRing(
  requests: FrontendRequests,
  queue: ClientQueue,
  drain = true,
): Promise<number> {
  const base = await haltRing(requests, queue.index, drain);
  queue.stop();
  queue.collect();
  const { ring } = queue;
  if (ring.isPossibleBase(base)) return base;
  const [expected, actual] = [`${ring.base} and up to ${ring.outstanding} more`, String(base)];
  throw new ProtocolError(
    `VHOST_USER_GET_VRING_BASE reply: expected the index of queue ${queue.index} to be ${expected}, got ${actual}`,
    { request: "VHOST_USER_GET_VRING_BASE", field: "num", expected, actual },
  );
}

/** Stops a ring; returns where it stands. */
export async function haltRing(
  requests: FrontendRequests,
  index: number,
  drain = true,
): Promise<number> {
  await enableRing(requests, index, false);
  return drain ? requests.getVringBase(index) : requests.getVringBaseSkipDrain(index);
}

/** Without the gate bit rings are enabled from the start, and nothing could change that. */
async function enableRing(requests: FrontendRequests, index: number, on: boolean): Promise<void> {
  if ((requests.negotiation.features & VirtioFeature.ProtocolFeatures) === 0n) return;
  await requests.setVringEnable(index, on);
}

/** Adds bits to the device status, where the back-end wants to be told of it. */
async function addStatus(requests: FrontendRequests, bits: number): Promise<void> {
  if (!requests.negotiation.has(ProtocolFeature.Status)) return;
  await requests.setStatus((await requests.getStatus()) | bits);
}
