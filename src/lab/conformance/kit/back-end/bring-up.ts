import {
  DeviceStatus,
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";
import { askInflight } from "./inflight.ts";
import type { RequestKit } from "./kit.ts";
import type { SuiteMemory, SuiteMemoryOptions } from "./memory.ts";
import type { Ring, RingOptions } from "./ring.ts";
import type { Session } from "./session.ts";
import type { RunningDevice, BringUpOptions } from "./running-device.ts";

/** The steps of {@link bringUp} that a check provides. */
export interface BringUpSteps {
  /** @throws {CaseSkip} the device type is not known */
  readonly kit: RequestKit;
  negotiatedSession(virtio?: bigint, protocol?: bigint): Promise<Session>;
  createMemory(options: SuiteMemoryOptions): SuiteMemory;
  share(session: Session, memory: SuiteMemory): Promise<void>;
  ring(session: Session, memory: SuiteMemory, index: number, options?: RingOptions): Ring;
  request(ring: Ring, memory: SuiteMemory): Promise<void>;
}

const RUNNING =
  DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk;

/**
 * Brings a device up as the acknowledged features require: guest addresses with
 * GPA_ADDRESSES, an in-flight region with INFLIGHT_SHMFD, a status with STATUS.
 *
 * @throws {CaseFailure} a step is not accepted; {@link CaseSkip} the device type is not known
 */
export async function bringUp(t: BringUpSteps, options: BringUpOptions): Promise<RunningDevice> {
  const { kit } = t;
  const session = options.session ?? (await t.negotiatedSession(options.virtio, options.protocol));
  const acked = (bit: bigint): boolean => (session.protocol & bit) !== 0n;
  const memory =
    options.memory ??
    t.createMemory({ ...options, guestAddresses: acked(ProtocolFeature.GpaAddresses) });
  if (options.memory === undefined) await t.share(session, memory);
  if (options.closeMemory) for (const fd of memory.fds) fd.close();
  const rings = new Map(
    kit.rings.map((index) => [index, t.ring(session, memory, index, options.ring)]),
  );
  const ring = rings.get(kit.ring);
  if (ring === undefined) throw new TypeError(`${kit.kind.name} has no ring ${kit.ring}`);
  // libvhost-user starts no ring without an in-flight region.
  if (acked(ProtocolFeature.InflightShmfd)) {
    const region = options.inflight ?? (await askInflight(session, rings.size, ring.size));
    await session.set(FrontendRequest.SetInflightFd, region.description, [region.fd]);
  }
  for (const each of rings.values()) {
    if (each === ring && options.start) await options.start(each);
    else await each.start();
  }
  const gate = (session.virtio & VirtioFeature.ProtocolFeatures) !== 0n;
  if (gate && options.enable !== false) {
    for (const each of rings.values()) await each.enable();
    // A kick must not precede them: enable/2 judges a target that loses such a kick.
    if (!session.acknowledges) await session.alive();
  }
  if (acked(ProtocolFeature.Status)) await session.set(FrontendRequest.SetStatus, RUNNING);
  return { session, memory, rings, ring, request: async () => t.request(ring, memory) };
}
