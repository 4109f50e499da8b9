import { EventFd, type OwnedFd } from "../../core/os/index.ts";

/** Takes a peer's descriptor over, also when it cannot be used as one for events. */
export function adoptEvent(fd: OwnedFd | undefined): EventFd | undefined {
  return fd && EventFd.adopt(fd);
}

/** Signals a peer's descriptor; that it cannot be signalled is not reported. */
export function signalQuietly(event: EventFd | undefined): void {
  try {
    event?.signal();
  } catch {
    // The peer gave a descriptor that cannot be signalled, so only the peer misses the signal.
  }
}
