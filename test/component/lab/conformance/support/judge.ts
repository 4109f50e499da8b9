import type { DeviceKind } from "../../../../../src/endpoints/devices/kind.ts";
import { findDeviceKind } from "../../../../../src/endpoints/devices/registry.ts";
import { blockKind } from "../../../../../src/endpoints/devices/block/kind.ts";
import {
  type Check,
  type CaseResult,
  knownDevice,
  runCheck,
  survey,
  type Target,
  timesOf,
} from "../../../../../src/lab/conformance/index.ts";
import { InProcessTarget } from "./in-process-target.ts";
import type { Base, Mutant } from "./mutant.ts";
import { OwnProgram } from "./own-program.ts";

/** Pairs of check and back-end at once: most of the time they wait. */
export const PARALLEL = 24;

/** Runs a check on one of our back-ends. @param mutant the fault that it gets */
export async function judge(check: Check, base: Base, mutant?: Mutant): Promise<CaseResult> {
  const target = targetOf(base, mutant);
  const times = { ...timesOf(patience(check, base, mutant)), gapMs: 30, checkMs: 60_000 };
  try {
    // A mutant may not survive a survey; it claims what the healthy back-end offers.
    const facts = await (mutant?.offers
      ? survey(target, times, () => knownDevice(deviceOf(base)))
      : healthyFacts(base));
    return await runCheck(check, { target, facts, times, seed: 1 });
  } finally {
    await target.close();
  }
}

/** Disks with a property of their own; VIRTIO has a device type that is called IOMMU as well. */
const DISKS: readonly Base[] = ["read-only", "wce", "shm", "iommu", "direct", "file", "program"];

/** Returns the device type that a base serves. */
export function deviceOf(base: Base): DeviceKind {
  return (DISKS.includes(base) ? undefined : findDeviceKind(base)) ?? blockKind;
}

/**
 * Whether a check looks at a process, needs an event loop that reads parts of messages in time, or
 * keeps this process busy.
 */
export function runsAlone({ id, needs }: Check): boolean {
  return !!needs?.process || !!needs?.program || id.startsWith("framing/") || id === "mem/27";
}

/** Verdict, reason and messages of a result, for a failure of the test. */
export function describeResult({ id, verdict, reason, exchange }: CaseResult): string {
  return [`${id}: ${verdict} ${reason ?? ""}`, ...exchange].join("\n    ");
}

const targetOf = (base: Base, mutant?: Mutant): Target =>
  base === "program" ? OwnProgram.of(mutant) : new InProcessTarget(base, mutant);

/** A check that passes never waits in vain, whatever else the machine does; a mutant makes it wait. */
function patience(check: Check, base: Base, mutant?: Mutant): number {
  if (mutant === undefined) return 5;
  // Nothing else of this process delays an answer then.
  return runsAlone(check) && base !== "program" ? 0.25 : 1;
}

const known = new Map<Base, ReturnType<typeof survey>>();

async function healthyFacts(base: Base): ReturnType<typeof survey> {
  let facts = known.get(base);
  if (facts === undefined) {
    facts = surveyOf(base);
    known.set(base, facts);
  }
  return facts;
}

async function surveyOf(base: Base): ReturnType<typeof survey> {
  const target = targetOf(base);
  try {
    return await survey(target, timesOf(), () => knownDevice(deviceOf(base)));
  } finally {
    await target.close();
  }
}
