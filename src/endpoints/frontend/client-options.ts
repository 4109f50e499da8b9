import type { WaitOptions } from "../../core/base/index.ts";
import type { GuestMemoryOptions } from "../../core/memory/index.ts";
import type { Strictness } from "../../core/session/index.ts";
import type { FrameObserver } from "../../core/transport/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";
import type { Wishes } from "./bring-up.ts";
import type { HostNotifiers } from "./host-notifiers.ts";
import type { Notifications } from "./notifications.ts";
import type { ReconnectOptions } from "./reconnect.ts";

export interface ClientOptions extends WaitOptions, Wishes {
  /** Ends the session at once, whenever it aborts: outstanding requests fail. */
  readonly signal?: AbortSignal | undefined;
  /** Memory shared with the back-end. Default 64 MiB in one region. */
  readonly memory?: GuestMemoryOptions | undefined;
  /** The strictness about replies. Default `lenient`, for real peers. */
  readonly strictness?: Strictness | undefined;
  /** Sees each message. */
  readonly observe?: FrameObserver | undefined;
  /** The device's configuration changed (CONFIG_CHANGE_MSG). */
  readonly onConfigChange?: (() => void) | undefined;
  /** Serve requests of the back-end; the features that they need are used where offered. */
  readonly backendRequests?: BackendRequestHandlers | undefined;
  /** Takes doorbells that the back-end gives, and kicks by them. */
  readonly hostNotifiers?: HostNotifiers | undefined;
  /** The notifications between queues and the back-end. */
  readonly notifications?: Notifications | undefined;
  /**
   * Called when the back-end broke a rule on its own channel. The session continues without the
   * channel.
   */
  readonly onProblem?: ((problem: Error) => void) | undefined;
  /**
   * Lets the session survive its back-end: when one goes away, the queues wait for the next, which
   * serves the outstanding requests. The client also waits for the first back-end. Default: the
   * session ends with the connection.
   */
  readonly reconnect?: ReconnectOptions | undefined;
}
