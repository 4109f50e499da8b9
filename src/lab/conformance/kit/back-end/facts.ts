import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import { delay } from "../../../../core/base/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";
import type { RequestKit } from "./kit.ts";
import { Session } from "./session.ts";
import { Exchange } from "../exchange.ts";
import { CaseFailure } from "../../../engine/index.ts";
import type { Target } from "../../targets/target.ts";
import type { Times } from "../times.ts";

/** A process that serves one session ends this soon after it. */
const END_MS = 300;

/** The device type of a target, as far as it is known. */
export interface KnownDevice {
  readonly device: DeviceKind | undefined;
  /** The kit of the device type; undefined if the suite has no request for it. */
  readonly kit: RequestKit | undefined;
}

/** The part of a target's offer that shows its device type. */
export interface TargetOffer {
  readonly virtio: bigint;
  readonly protocol: bigint;
  /** Reads from the start of the configuration space; undefined if the target refuses. */
  readonly read: (sizes: readonly number[]) => Promise<Uint8Array | undefined>;
}

/** The offer of a target, read once before the first check. */
export interface Facts extends KnownDevice {
  readonly virtio: bigint;
  readonly protocol: bigint;
  /** GET_QUEUE_NUM; 1 where it is not served. */
  readonly queueNum: number;
  /** The process ends with each session: its end is not a crash. */
  readonly oneSession: boolean;
}

/**
 * Reads the offer of a target.
 *
 * @param identify names the device type
 * @throws {CaseFailure} it does not answer; errors of {@link Target.connect}
 */
export async function survey(
  target: Target,
  times: Times,
  identify: (offer: TargetOffer) => KnownDevice | Promise<KnownDevice>,
): Promise<Facts> {
  const socket = await target.connect({ timeoutMs: times.againMs });
  const session = new Session("survey", socket, new Exchange(), times);
  try {
    session.read();
    const virtio = await session.call(FrontendRequest.GetFeatures);
    const gate = (virtio & VirtioFeature.ProtocolFeatures) !== 0n;
    const protocol = gate
      ? await orElse(0n, session.call(FrontendRequest.GetProtocolFeatures))
      : 0n;
    const used = protocol & (ProtocolFeature.Mq | ProtocolFeature.Config);
    if (used !== 0n) await session.send(FrontendRequest.SetProtocolFeatures, used);
    const hasQueueNum = (used & ProtocolFeature.Mq) !== 0n;
    const queueNum = hasQueueNum ? await orElse(1n, session.call(FrontendRequest.GetQueueNum)) : 1n;
    // Before the session ends: the name of the process may identify the device.
    const read = async (sizes: readonly number[]) => readConfig(session, sizes);
    const known = await identify({ virtio, protocol, read });
    session.close();
    const oneSession = await endsSoon(target);
    target.oneSession = oneSession;
    return {
      ...known,
      virtio,
      protocol,
      queueNum: Number(queueNum),
      oneSession,
    };
  } finally {
    session.close();
  }
}

/** Reads from the start of the configuration space; undefined if the target refuses. */
async function readConfig(
  session: Session,
  sizes: readonly number[],
): Promise<Uint8Array | undefined> {
  for (const size of sizes) {
    const asked = { offset: 0, flags: 0, data: new Uint8Array(size) };
    const reply = await orElse(undefined, session.call(FrontendRequest.GetConfig, asked));
    if (reply?.data.length === size) return reply.data;
  }
  return undefined;
}

/** A wrong answer is for a check to find; until then the least is assumed. */
async function orElse<T>(least: T, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CaseFailure) return least;
    throw error;
  }
}

async function endsSoon(target: Target): Promise<boolean> {
  if (target.restart === undefined) return false;
  const deadline = performance.now() + END_MS;
  while (target.process?.end === undefined) {
    if (performance.now() >= deadline) return false;
    await delay(5);
  }
  return true;
}
