import { BackendRequest } from "../../core/protocol/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";
import type { ClientOptions } from "./client-options.ts";
import { inbandHandlers } from "./kicks.ts";
import { featuresOfNotifications } from "./notifications.ts";
import type { ClientQueue } from "./queue.ts";

/**
 * Returns the handlers of the back-end requests that a client serves.
 *
 * @param configChanged called beside `onConfigChange` of the options
 */
export function handlersOf(
  options: ClientOptions,
  queues: () => readonly ClientQueue[],
  configChanged: () => void,
): BackendRequestHandlers {
  const byMessage = featuresOfNotifications(options.notifications ?? {}) !== 0n;
  return {
    [BackendRequest.ConfigChangeMsg]: () => {
      configChanged();
      options.onConfigChange?.();
    },
    ...options.hostNotifiers?.handlers,
    ...(byMessage
      ? inbandHandlers((index) => queues().find((queue) => queue.index === index))
      : undefined),
    ...options.backendRequests,
  };
}
