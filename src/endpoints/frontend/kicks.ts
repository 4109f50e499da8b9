import { asError, PeerClosedError, UsageError } from "../../core/base/index.ts";
import type { EventFd } from "../../core/os/index.ts";
import { BackendRequest } from "../../core/protocol/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";
import type { HostNotifiers } from "./host-notifiers.ts";
import type { Kick, Notifications } from "./notifications.ts";
import type { ClientQueue } from "./queue.ts";

/** Serves in-band calls and errors of the queues that exist when they come. */
export function inbandHandlers(
  queue: (index: number) => ClientQueue | undefined,
): BackendRequestHandlers {
  const named = (index: number): ClientQueue => {
    const found = queue(index);
    if (found) return found;
    throw new UsageError(
      `there is no queue ${index}: the index must be that of a queue that was created`,
    );
  };
  return {
    [BackendRequest.VringCall]: ({ index }) => named(index).call.signal(),
    [BackendRequest.VringErr]: ({ index }) => named(index).error.signal(),
  };
}

/** Returns the way to kick a queue's back-end; undefined selects the kick descriptor. */
export function kickOf(
  queue: ClientQueue,
  {
    notifications,
    hostNotifiers,
  }: { notifications?: Notifications | undefined; hostNotifiers?: HostNotifiers | undefined },
  send: () => Promise<void>,
): Kick | undefined {
  const { kick } = notifications ?? {};
  if (kick === "none") return noKick;
  if (kick === "message") {
    return new MessageKick(
      send,
      // The end of the connection reports the failure of the queue.
      (error) => {
        if (!(error instanceof PeerClosedError)) queue.fail(error);
      },
    );
  }
  return hostNotifiers && new DoorbellKick(hostNotifiers, queue.index, queue.kick);
}

/** Kicks as messages. Those that come while one waits for its answer make one more. */
class MessageKick implements Kick {
  readonly #send: () => Promise<void>;
  readonly #failed: (error: Error) => void;
  #busy = false;
  #again = false;

  constructor(send: () => Promise<void>, failed: (error: Error) => void) {
    this.#send = send;
    this.#failed = failed;
  }

  signal(): void {
    this.#again = true;
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#send();
      }
    } catch (error) {
      this.#failed(asError(error));
    } finally {
      this.#busy = false;
    }
  }
}

/** Kicks by a doorbell once the back-end has sent one, and by descriptor until then. */
class DoorbellKick implements Kick {
  readonly #notifiers: HostNotifiers;
  readonly #index: number;
  readonly #otherwise: EventFd;

  constructor(notifiers: HostNotifiers, index: number, otherwise: EventFd) {
    this.#notifiers = notifiers;
    this.#index = index;
    this.#otherwise = otherwise;
  }

  signal(): void {
    if (!this.#notifiers.ring(this.#index)) this.#otherwise.signal();
  }
}

/** The back-end looks by itself. */
const noKick: Kick = { signal: () => undefined };
