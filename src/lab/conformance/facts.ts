import { delay } from "../../core/base/index.ts";
import {
  type DeviceName,
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../core/protocol/index.ts";
import { Session } from "./kit/back-end/session.ts";
import { Exchange } from "./exchange.ts";
import { CaseFailure } from "../engine/index.ts";
import type { Target } from "./targets/target.ts";
import type { Times } from "./times.ts";

/** A process that serves one session ends this soon after it. */
const END_MS = 300;

/** What a target offers, seen once before any check. */
export interface Facts {
  readonly device: DeviceName | undefined;
  readonly virtio: bigint;
  readonly protocol: bigint;
  /** GET_QUEUE_NUM; 1 where it is not served. */
  readonly queueNum: number;
  /** The process ends with each session: its end is no crash. */
  readonly oneSession: boolean;
}

/**
 * Looks at a target.
 *
 * @param device as the user says; undefined: told from the offer
 * @throws {CaseFailure} it does not answer; errors of {@link Target.connect}
 */
export async function survey(
  target: Target,
  times: Times,
  device: (virtio: bigint, protocol: bigint) => DeviceName | undefined,
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
    let queueNum = 1n;
    if ((protocol & ProtocolFeature.Mq) !== 0n) {
      await session.send(FrontendRequest.SetProtocolFeatures, ProtocolFeature.Mq);
      queueNum = await orElse(1n, session.call(FrontendRequest.GetQueueNum));
    }
    // While it still runs: its name may tell.
    const type = device(virtio, protocol);
    session.close();
    const oneSession = await endsSoon(target);
    target.oneSession = oneSession;
    return {
      device: type,
      virtio,
      protocol,
      queueNum: Number(queueNum),
      oneSession,
    };
  } finally {
    session.close();
  }
}

/** A wrong answer is for a check to find; until then the least is assumed. */
async function orElse(least: bigint, answer: Promise<bigint>): Promise<bigint> {
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
