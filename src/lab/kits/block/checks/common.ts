/** Helpers that the checks of block devices share. */
import { BlockFeature, blockStatusName } from "../../../../endpoints/devices/block/layout.ts";
import { ProtocolFeature } from "../../../../core/protocol/index.ts";
import type { Needs } from "../../../conformance/kit/back-end/needs.ts";
import type { CheckContext } from "../../../conformance/kit/back-end/context.ts";
import { type Disk, diskOf } from "../disk.ts";

export const DRIVER = "VIRTIO 5.2.6, 5.2.6.1";
export const DEVICE = "VIRTIO 5.2.6.2";
export const NEEDS = { device: ["block"], protocol: ProtocolFeature.Config } as const;

export const needing = (virtio: bigint): Needs => ({ ...NEEDS, virtio });

/** Bytes that differ from run to run. */
export function noise(t: CheckContext, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => t.random() * 256);
}

/** @throws {CaseSkip} nothing may be written */
export async function writableDisk(t: CheckContext, virtio = 0n): Promise<Disk> {
  if ((t.facts.virtio & BlockFeature.ReadOnly) !== 0n) t.skip("the disk is read-only");
  return diskOf(t, virtio);
}

export function expectStatus(
  t: CheckContext,
  what: string,
  status: number,
  expected: number,
): void {
  t.expect(what, blockStatusName(status), blockStatusName(expected));
}
