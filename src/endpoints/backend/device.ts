import type { DeviceName } from "../../core/protocol/index.ts";
import type { WorkerPart } from "../../core/runtime/index.ts";
import type { DeviceQueue } from "../../core/virtqueue/index.ts";
import type { DeviceState } from "./device-state.ts";
import type { DeviceRequests } from "./device-requests.ts";

/** A running ring as a device sees it. */
export interface RunningQueue {
  readonly index: number;
  readonly queue: DeviceQueue;
  /**
   * Shows completions that were made outside of {@link Device.process}, and calls the driver if it
   * wants that. Harmless once the ring has stopped.
   */
  publish(): void;
  /** Whether the ring runs: where not, no chain may be taken. */
  readonly active: boolean;
  /** Has {@link Device.process} called soon. Harmless once the ring has stopped. */
  wake(): void;
}

/** Configuration space. */
export interface DeviceConfig {
  /** Bytes. */
  readonly size: number;
  /** Fills `out` from `offset` on; the range lies inside the space. */
  read(offset: number, out: Uint8Array): void;
  /**
   * Takes what is writable and changed. The range lies inside the space.
   *
   * @param by `migration` may write every field
   * @returns false: a read-only field would change; nothing was taken
   */
  write(offset: number, bytes: Uint8Array, by: "driver" | "migration"): boolean;
}

/**
 * What a back-end does behind its rings. One object a session; sessions share nothing but what
 * their devices share.
 */
export interface Device extends DeviceRequests {
  readonly type: DeviceName;
  /** Device feature bits that are offered; the framework adds those of transport and rings. */
  readonly features: bigint;
  /** Virtqueues. */
  readonly maxQueues: number;
  /** What GET_QUEUE_NUM tells where that is not {@link maxQueues}: network devices count pairs. */
  readonly queueNum?: number;
  /** Largest queue, entries. */
  readonly maxQueueSize: number;
  readonly config?: DeviceConfig;
  /** The front-end acknowledged these features (SET_FEATURES); may come again while rings run. */
  negotiated?(features: bigint): void;
  /**
   * Serves what is available on a ring: at most about `queue.size` chains a call, so that others
   * get their turn. Must not throw for anything that a driver put into the ring.
   */
  process(running: RunningQueue): void;
  /**
   * Whether chains of this ring are served as they come; asked after {@link process}. False: they
   * are left there, without kicks, until {@link RunningQueue.wake}. Default true.
   */
  wantsChains?(index: number): boolean;
  /**
   * Whether chains of this ring are used without an effect while it is disabled (SET_VRING_ENABLE),
   * as the specification has it for a network device's transmit rings. False: they are left there
   * until it is enabled, as are those of a ring that was not enabled yet. Default false.
   */
  discards?(index: number): boolean;
  /**
   * How a ring is served in a worker instead of by {@link process}; asked at every start of the
   * ring. Left out or undefined: the ring runs on the event loop.
   */
  inWorker?(index: number): WorkerPart | undefined;
  /** Resolves once nothing of this ring is in work: no chain is touched or completed afterwards. */
  quiesce?(index: number): Promise<void>;
  /**
   * Gives up what is in work of this ring: no chain is touched or completed afterwards. The requests
   * stay noted as in flight, and are executed again elsewhere. A device that has it is offered with
   * GET_VRING_BASE_SKIP_DRAIN.
   */
  suspend?(index: number): void;
  /** What goes to another instance when the session moves there. */
  readonly state?: DeviceState;
  /** RESET_DEVICE, or status 0: back to the state before the driver came. */
  reset?(): void;
  /** The session is over. */
  close?(): void;
}
