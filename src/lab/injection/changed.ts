import type { OwnedFd } from "../../core/os/index.ts";
import type { Frame } from "../../core/transport/index.ts";

/** A change of what is sent: other bytes, or other descriptors. */
export interface Changed {
  readonly frame: Frame;
  /** Descriptors that were made for it; they are closed once it is sent. */
  readonly made: readonly OwnedFd[];
}
