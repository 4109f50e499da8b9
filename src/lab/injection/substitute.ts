import { closeSync, openSync } from "node:fs";
import { EventFd, OwnedFd, SharedMemory } from "../../core/os/index.ts";
import type { KernelObject } from "../wire/index.ts";

/** Makes an event descriptor. */
export function eventDescriptor(): OwnedFd {
  return EventFd.create().descriptor;
}

/** Makes an object of the same kind: of memory as much, filled with zeroes. */
export function substituteFor({ kind, bytes = 0 }: KernelObject): OwnedFd {
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
