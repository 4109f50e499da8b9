import { closeSync, openSync } from "node:fs";
import { EventFd, OwnedFd, SharedMemory } from "../../core/os/index.ts";
import type { KernelObject } from "../wire/index.ts";

/** Makes an event descriptor. */
export function eventDescriptor(): OwnedFd {
  return EventFd.create().descriptor;
}

/**
 * Makes an object of the same kind for each, or none.
 *
 * @throws SystemError e.g. one is larger than memory can be
 */
export function substitutesFor(objects: readonly KernelObject[]): OwnedFd[] {
  const made: OwnedFd[] = [];
  try {
    for (const each of objects) made.push(substituteFor(each));
    return made;
  } catch (error) {
    for (const fd of made) fd.close();
    throw error;
  }
}

/** Makes an object of the same kind: of memory as much, filled with zeroes. */
function substituteFor({ kind, bytes = 0 }: KernelObject): OwnedFd {
  if (kind === "eventfd") return eventDescriptor();
  const isMemory = kind.startsWith("memfd") || kind === "file";
  if (isMemory && bytes > 0) return SharedMemory.create("injected", bytes).fd;
  const fd = openSync("/dev/null", "r+");
  try {
    return OwnedFd.duplicateOf(fd);
  } finally {
    closeSync(fd);
  }
}
