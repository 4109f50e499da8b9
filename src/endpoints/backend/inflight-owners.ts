import { fstatSync } from "node:fs";
import type { InflightRegion } from "../../core/memory/index.ts";

/** Regions of sessions that are over while their devices still work, by the file behind them. */
const leaving = new Map<string, Promise<void>>();

function nameOf({ fd }: InflightRegion): string {
  const { dev, ino } = fstatSync(fd.fd, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * Delays the next owner of a region whose session has ended: it must not resubmit the requests
 * before the previous device has completed them, as both would write to the same buffers.
 *
 * @param drained settles once the device has no request in flight
 */
export function leaveRegion(region: InflightRegion, drained: Promise<unknown>): void {
  const name = nameOf(region);
  const gone = drained.then(() => {
    if (leaving.get(name) === gone) leaving.delete(name);
  });
  leaving.set(name, gone);
}

/** Resolves once no earlier session works on the requests that a region records. */
export async function enterRegion(region: InflightRegion): Promise<void> {
  await leaving.get(nameOf(region));
}
