import { counted, delay } from "../../core/base/index.ts";
import {
  type DeviceName,
  FrontendRequest,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../../core/protocol/index.ts";
import type { Needs } from "./check.ts";
import { kitOf } from "./kit/back-end/kits.ts";
import { Session } from "./kit/back-end/session.ts";
import { Exchange } from "./exchange.ts";
import { CheckFailure } from "./failure.ts";
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
 * @throws {CheckFailure} it does not answer; errors of {@link Target.connect}
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
    if (error instanceof CheckFailure) return least;
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

/** Why a check cannot be made on a target, if it cannot. */
export function missing(
  needs: Needs | undefined,
  facts: Facts,
  target: Target,
): string | undefined {
  if (needs === undefined) return undefined;
  const { device, virtio = 0n, protocol = 0n, queues = 0, process, program, request } = needs;
  if (device !== undefined && (facts.device === undefined || !device.includes(facts.device))) {
    return `for ${device.join(" and ")} devices`;
  }
  const lacking = [
    ...virtioFeatureNames(virtio & ~facts.virtio, facts.device),
    ...protocolFeatureNames(protocol & ~facts.protocol),
  ];
  if (lacking.length > 0) return `not offered: ${lacking.join(", ")}`;
  if (facts.queueNum < queues)
    return `needs ${counted(queues, "queue")}, the target has ${facts.queueNum}`;
  if (request && kitOf(facts.device) === undefined) {
    return `the suite knows no request for ${facts.device ?? "a device of unknown type"}; give --device`;
  }
  if (process && target.process === undefined) {
    return "the target's process is not known; start it with --exec";
  }
  if (program && target.program === undefined) {
    return "the suite did not start the target as a program; do so with --exec, without --shell";
  }
  return undefined;
}
