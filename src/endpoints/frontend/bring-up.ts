import { NegotiationError, ProtocolError } from "../../core/base/index.ts";
import type { EventFd } from "../../core/os/index.ts";
import {
  DeviceStatus,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../../core/protocol/index.ts";
import type { RingMemory } from "../../core/virtqueue/index.ts";
import type { BackendChannel } from "./backend-channel.ts";
import type { IommuOptions } from "./iommu.ts";
import type { Notifications } from "./notifications.ts";
import type { ClientQueue } from "./queue.ts";
import type { FrontendRequests } from "./requests.ts";
import { meanwhile, together } from "./together.ts";

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

/** The features of a session that keeps an in-flight region. */
export const KEPT_FEATURES: bigint =
  ProtocolFeature.InflightShmfd |
  ProtocolFeature.GetVringBaseInflight |
  ProtocolFeature.GetVringBaseSkipDrain;

/** Device status (VIRTIO 2.1) of a driver that is there, that has its features, and that runs. */
const FOUND = DeviceStatus.Acknowledge | DeviceStatus.Driver;
const AGREED = FOUND | DeviceStatus.FeaturesOk;
const RUNNING = AGREED | DeviceStatus.DriverOk;

/** The optional features that a front-end uses if they are offered. */
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
  /** Uses VIRTIO_F_IN_ORDER if it is offered: requests complete in order. Default false. */
  readonly inOrder?: boolean | undefined;
  /** Uses I/O virtual addresses (VIRTIO_F_ACCESS_PLATFORM). Default false. */
  readonly iommu?: boolean | IommuOptions | undefined;
  /** Features not to use although they are offered. */
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint } | undefined;
}

/**
 * Agrees with the back-end on features, in the order that every back-end bears. What the back-end
 * offers has to be waited for; all that follows from it is sent at once.
 *
 * @param openBackendChannel makes the channel for requests of the back-end
 * @param next sends, at once, what needs no more than the protocol features
 * @throws {NegotiationError} the back-end offers no VIRTIO_F_VERSION_1, or not what an IOMMU needs,
 * or does not work with the features that were acknowledged
 * @throws what `next` throws
 */
export async function negotiate(
  requests: FrontendRequests,
  { deviceFeatures = 0n, protocolFeatures = 0n, packed, inOrder, iommu, without }: Wishes,
  openBackendChannel: () => BackendChannel,
  next: (requests: FrontendRequests) => Promise<void>,
): Promise<void> {
  const offered = await requests.getFeatures();
  if ((offered & VirtioFeature.Version1) === 0n) {
    throw new NegotiationError(
      `the back-end does not offer VIRTIO_F_VERSION_1, only the features 0x${offered.toString(16)}; use a current back-end`,
    );
  }
  const withProtocol = (offered & VirtioFeature.ProtocolFeatures) !== 0n;
  let channel: BackendChannel | undefined;
  if (withProtocol) {
    const wanted = (CLIENT_PROTOCOL_FEATURES | protocolFeatures) & ~(without?.protocol ?? 0n);
    const offer = await meanwhile(requests.getProtocolFeatures(), () => {
      // Most back-ends offer it.
      if ((wanted & ProtocolFeature.BackendReq) !== 0n) channel = openBackendChannel();
    });
    const usable = offer & wanted;
    // These features may only be acknowledged together.
    const keeps = (usable & KEPT_FEATURES) === KEPT_FEATURES;
    const partly = KEPT_FEATURES & ~ProtocolFeature.InflightShmfd;
    await requests.setProtocolFeatures(keeps ? usable : usable & ~partly);
  }
  if (iommu) expectIommu(requests, offered);
  const format = (packed ? VirtioFeature.RingPacked : 0n) | (inOrder ? VirtioFeature.InOrder : 0n);
  const platform = iommu ? VirtioFeature.AccessPlatform : 0n;
  const usable = CLIENT_RING_FEATURES | format | platform | deviceFeatures;
  const wanted = usable & ~(without?.virtio ?? 0n);
  const gate = withProtocol ? VirtioFeature.ProtocolFeatures : 0n;
  await together([
    giveBackendChannel(requests, channel),
    requests.setOwner(),
    setStatus(requests, FOUND),
    requests.setFeatures((offered & wanted) | gate),
    setStatus(requests, AGREED),
    expectFeaturesOk(requests),
    next(requests),
  ]);
}

async function giveBackendChannel(
  requests: FrontendRequests,
  channel: BackendChannel | undefined,
): Promise<void> {
  if (channel === undefined) return;
  if (!requests.negotiation.has(ProtocolFeature.BackendReq)) return channel.close();
  const given = requests.setBackendReqFd(channel.theirs);
  // The message has been sent, so this end can be closed.
  channel.theirs.close();
  await given;
}

/** The device takes the bit back where it cannot do with what was acknowledged (VIRTIO 3.1.1). */
async function expectFeaturesOk(requests: FrontendRequests): Promise<void> {
  if (!requests.negotiation.has(ProtocolFeature.Status)) return;
  if ((BigInt(await requests.getStatus()) & DeviceStatus.FeaturesOk) !== 0n) return;
  throw new NegotiationError(
    `the device does not work with the features 0x${requests.negotiation.features.toString(16)}: ` +
      `it cleared FEATURES_OK; do without some of them`,
  );
}

/** Without these features the back-end could not request translations, or notice their arrival. */
function expectIommu({ negotiation }: FrontendRequests, offered: bigint): void {
  const { BackendReq, ReplyAck } = ProtocolFeature;
  const missing = [
    ...virtioFeatureNames(VirtioFeature.AccessPlatform & ~offered),
    ...protocolFeatureNames((BackendReq | ReplyAck) & ~negotiation.protocolFeatures),
  ];
  if (missing.length === 0) return;
  throw new NegotiationError(
    `the back-end lacks what an IOMMU needs: ${missing.join(", ")}; ` +
      `have the back-end offer it (serve: --iommu, DPDK: iommu-support=1), or do without`,
  );
}

/** The values that the front-end sends for a queue. */
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

/**
 * Sets a ring up, starts it and enables it; each step waits until the back-end has accepted the one
 * before.
 *
 * @param base the position at which the ring continues
 * @param next sends the messages that follow, within the call
 * @throws what `next` throws
 */
export async function startRing(
  requests: FrontendRequests,
  queue: QueueSetup,
  base: number = queue.ring.base,
  next: (requests: FrontendRequests) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { index, ring } = queue;
  const { descriptors, driver, device } = ring.parts;
  const { call = "eventfd", kick = "eventfd" } = queue.notifications;
  const setUp: Promise<void>[] = [
    requests.setVringNum(index, ring.size),
    requests.setVringBase(index, base),
    requests.setVringAddr({
      index,
      flags: 0,
      descriptor: descriptors.ringAddress,
      available: driver.ringAddress,
      used: device.ringAddress,
      log: 0n,
    }),
  ];
  // With in-band notifications no descriptor is sent; the first VRING_KICK starts the ring.
  if (call !== "message") {
    const descriptor = call === "none" ? undefined : queue.call.descriptor;
    setUp.push(requests.setVringErr(index, queue.error.descriptor));
    setUp.push(requests.setVringCall(index, descriptor));
  }
  await together(setUp);
  if (kick !== "message") {
    await requests.setVringKick(index, kick === "none" ? undefined : queue.kick.descriptor);
  }
  await together([enableRing(requests, index, true), next(requests)]);
}

/**
 * Sends the device status, and makes sure that the back-end accepted the ring. The messages leave
 * within this call.
 */
export async function confirmStart(requests: FrontendRequests): Promise<void> {
  const statusSet = setStatus(requests, RUNNING);
  const { Status, ReplyAck } = ProtocolFeature;
  // libvhost-user acknowledges every request with success and closes the connection afterwards:
  // only the answer to one more request proves that the ring was accepted. The answer to SET_STATUS
  // is enough.
  if (requests.negotiation.has(Status | ReplyAck)) return statusSet;
  await together([statusSet, requests.getFeatures()]);
}

/**
 * Stops a ring and collects what completed before.
 *
 * @param drain requests in flight complete first; false if they stay recorded as in flight
 * @returns the base of the ring
 * @throws {ProtocolError} the ring cannot be at that base
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

/** Stops a ring; returns its base. */
export async function haltRing(
  requests: FrontendRequests,
  index: number,
  drain = true,
): Promise<number> {
  await enableRing(requests, index, false);
  return drain ? requests.getVringBase(index) : requests.getVringBaseSkipDrain(index);
}

/**
 * Without VHOST_USER_F_PROTOCOL_FEATURES rings are enabled from the start, and no message changes
 * that.
 */
async function enableRing(requests: FrontendRequests, index: number, on: boolean): Promise<void> {
  if ((requests.negotiation.features & VirtioFeature.ProtocolFeatures) === 0n) return;
  await requests.setVringEnable(index, on);
}

/** Sends the device status, where it was negotiated. */
async function setStatus(requests: FrontendRequests, status: bigint): Promise<void> {
  if (requests.negotiation.has(ProtocolFeature.Status)) await requests.setStatus(Number(status));
}
