import { fstatSync } from "node:fs";
import type { InflightRegion } from "../../core/memory/index.ts";

/** Regions of sessions that are over while their devices still work, by the file behind them. */
const leaving = new Map<string, Promise<void>>();

function nameOf({ fd }: InflightRegion): string {
  const { dev, ino } = fstatSync(fd.fd, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * A session is over whose requests are noted in a region: another one must not serve them again
 * before they are through, as both would write to the same buffers.
 *
 * @param drained settles once the device has nothing in work any more
 */
export function leaveRegion(region: InflightRegion, drained: Promise<unknown>): void {
  const name = nameOf(region);
  const gone = drained.then(() => {
    if (leaving.get(name) === gone) leaving.delete(name);
  });
  leaving.set(name, gone);
}

/** Resolves once no session of before works on what is noted in a region. */
export async function enterRegion(region: InflightRegion): Promise<void> {
  await leaving.get(nameOf(region));
}
