import type { OwnedFd } from "../../../../core/os/index.ts";
import type { Inflight } from "../../../../core/protocol/index.ts";
import type { SuiteMemory, SuiteMemoryOptions } from "./memory.ts";
import type { Ring, RingOptions } from "./ring.ts";
import type { Session } from "./session.ts";

/** The deviations of a bring-up from the default. */
export interface BringUpOptions extends SuiteMemoryOptions {
  /** Virtio features to acknowledge, as far as they are offered. */
  readonly virtio?: bigint;
  /** Protocol features to acknowledge, as far as they are offered. */
  readonly protocol?: bigint;
  /** A session that is negotiated already. */
  readonly session?: Session;
  readonly ring?: RingOptions;
  /** Memory that is shared already. */
  readonly memory?: SuiteMemory;
  /** The in-flight region. Default: one that the target makes. */
  readonly inflight?: { readonly description: Inflight; readonly fd: OwnedFd };
  /** Sets up and starts the ring of requests. Default: {@link Ring.start}. */
  readonly start?: (ring: Ring) => Promise<void>;
  /** Closes the suite's own descriptors of the memory as soon as it is shared. */
  readonly closeMemory?: true;
  /** True if rings are enabled where bit 30 was acknowledged. Default true. */
  readonly enable?: boolean;
}

/** A device that runs: session, memory, rings. */
export interface RunningDevice {
  readonly session: Session;
  readonly memory: SuiteMemory;
  /** The rings, by index. */
  readonly rings: ReadonlyMap<number, Ring>;
  /** The ring that takes the device's requests. */
  readonly ring: Ring;
  /**
   * Sends a request of the kit.
   *
   * @throws {CaseFailure} the answer is wrong
   */
  readonly request: () => Promise<void>;
}
