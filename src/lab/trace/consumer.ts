import type { OwnedFd } from "../../core/os/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import type { Forward } from "../wire/index.ts";
import type { MessageEvent, TraceEvent } from "./event.ts";
import type { TracedSession } from "./traced-session.ts";

/**
 * Takes the events of a trace: prints, counts, writes or follows them.
 *
 * @example
 * ```ts
 * import type { TraceConsumer } from "vhost-user/testing";
 *
 * // Counts the rules that were broken.
 * let broken = 0;
 * const counter: TraceConsumer = {
 *   event: (event) => {
 *     if (event.type === "message") broken += event.violations.length;
 *   },
 * };
 * ```
 */
export interface TraceConsumer {
  /**
   * Takes an event. Must not block: the conversation waits meanwhile.
   *
   * @param state what the session has set up, after the event
   * @param descriptors of a message of a live session: borrowed during the call, so duplicate what is
   *   needed longer
   */
  event(event: TraceEvent, state: TracedSession, descriptors: readonly OwnedFd[]): void;
}

/**
 * Sees each message before it is sent on, and decides what is sent.
 *
 * @example
 * ```ts
 * import type { TraceInterceptor } from "vhost-user/testing";
 *
 * // Drops the first kick of each ring.
 * const dropped = new Set<number | undefined>();
 * const dropKick: TraceInterceptor = {
 *   message: async (event, frame, forward, report) => {
 *     const first = event.request === "VHOST_USER_SET_VRING_KICK" && !dropped.has(event.ring);
 *     dropped.add(event.ring);
 *     if (first) report("dropped");
 *     else await forward(frame);
 *   },
 * };
 * ```
 */
export interface TraceInterceptor {
  /**
   * Handles a message: passes it on with `forward`, or another one, or none. The sender's next message is
   * read when the promise settles; a rejection ends the session.
   *
   * @param forward hands a frame to the next interceptor, and behind the last one to the socket
   * @param report adds an event that says what was done, and which message is sent, if it is another one
   */
  message(
    event: MessageEvent,
    frame: Frame,
    forward: Forward,
    report: (action: string, sent?: Frame) => void,
  ): void | Promise<void>;
}
