import type { RequestHandler, Strictness } from "../../core/session/index.ts";
import type { Channel, FrameObserver } from "../../core/transport/index.ts";
import type { DeviceQueue } from "../../core/virtqueue/index.ts";
import type { Device } from "./device.ts";
import type { RingOptions } from "./vring-context.ts";

/**
 * Hooks that observe or change messages, replies and queues, for tests and observers. Each is
 * optional.
 */
export interface BackendHooks {
  /** Sees each message. */
  readonly observe?: FrameObserver | undefined;
  readonly channel?: ((channel: Channel) => Channel) | undefined;
  readonly handler?: ((request: number, handler: RequestHandler) => RequestHandler) | undefined;
  readonly queue?: ((queue: DeviceQueue) => DeviceQueue) | undefined;
}

export interface SessionOptions extends BackendHooks {
  readonly device: Device;
  /** Features not to offer although they are implemented. */
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint } | undefined;
  /** Features of `BACKEND_OPTIONAL_FEATURES` to offer as well. */
  readonly optional?: bigint | undefined;
  /**
   * Offers VIRTIO_F_ACCESS_PLATFORM: a front-end that acknowledges it has an IOMMU, answers IOTLB
   * misses, and its rings stay on the event loop. Default false, as there are drivers that
   * acknowledge it whether or not their front-end has one.
   */
  readonly iommu?: boolean | undefined;
  /**
   * Offers VIRTIO_F_RING_RESET. Default false: QEMU (7.2 to today) hands it on to its guest, and
   * does not send the reset to a vhost-user back-end.
   */
  readonly ringReset?: boolean | undefined;
  /**
   * The threads and the mode in which rings are served. With a hook for queues they stay on the
   * event loop, as a hook cannot move to another thread.
   */
  readonly rings?: RingOptions | undefined;
  /** The strictness about requests. Default `lenient`. */
  readonly strictness?: Strictness | undefined;
  /**
   * Called with the number of requests in flight at the previous back-end (SET_INFLIGHT_FD) that
   * are resubmitted.
   */
  readonly onReplay?: ((requests: number) => void) | undefined;
  /**
   * Something was refused, or a ring broke.
   *
   * @param ends the session ends with it, and the same error is the reason
   */
  readonly onProblem?: ((problem: Error, ends: boolean) => void) | undefined;
}
