import { counted } from "../../../../core/base/index.ts";
import { protocolFeatureNames, virtioFeatureNames } from "../../../../core/protocol/index.ts";
import type { Facts } from "./facts.ts";
import type { Target } from "../../targets/target.ts";

/** The requirements of a check. Without them it is skipped, with the reason. */
export interface Needs {
  /** The device must be one of these. */
  readonly device?: readonly string[];
  /** Virtio feature bits that must be offered. */
  readonly virtio?: bigint;
  /** Protocol feature bits that must be offered. */
  readonly protocol?: bigint;
  /** Queues that the device must have. */
  readonly queues?: number;
  /** The suite must know the target's process: it started it, or was given its id. */
  readonly process?: true;
  /** The suite must have started the target, by words to which a check can add options. */
  readonly program?: true;
  /** The suite must have requests for the device type. */
  readonly request?: true;
}

/** Returns the reason why a check cannot run on a target, if it cannot. */
export function missing(
  needs: Needs | undefined,
  facts: Facts,
  target: Target,
): string | undefined {
  if (needs === undefined) return undefined;
  const { device, virtio = 0n, protocol = 0n, queues = 0, process, program, request } = needs;
  if (device !== undefined && (facts.device === undefined || !device.includes(facts.device.name))) {
    return `for ${device.join(" and ")} devices`;
  }
  const lacking = [
    ...virtioFeatureNames(virtio & ~facts.virtio, facts.device),
    ...protocolFeatureNames(protocol & ~facts.protocol),
  ];
  if (lacking.length > 0) return `not offered: ${lacking.join(", ")}`;
  if (facts.queueNum < queues)
    return `needs ${counted(queues, "queue")}, the target has ${facts.queueNum}`;
  if (request && facts.kit === undefined) return noRequest(facts);
  if (process && target.process === undefined) {
    return "the target's process is not known; start it with --exec";
  }
  if (program && target.program === undefined) {
    return "the suite did not start the target as a program; do so with --exec, without --shell";
  }
  return undefined;
}

/** Returns the reason why the suite has no request for the device, and the remedy. */
function noRequest({ device }: Facts): string {
  return device === undefined
    ? "the device type is not known; name it with --device"
    : `the suite knows no request for ${device.name} devices; --device MODULE takes a kit of yours`;
}
