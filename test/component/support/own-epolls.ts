import { readdirSync, readlinkSync } from "node:fs";
import { OwnedFd } from "../../../src/core/os/index.ts";

/** Duplicates of the epoll descriptors of this process; Node has more than that of the event loop. */
export function ownEpolls(): OwnedFd[] {
  const epolls: OwnedFd[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== "anon_inode:[eventpoll]") continue;
    } catch {
      // The descriptor of the listing itself.
      continue;
    }
    epolls.push(OwnedFd.duplicateOf(Number(fd)));
  }
  return epolls;
}
