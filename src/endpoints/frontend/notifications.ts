import { ProtocolFeature } from "../../core/protocol/index.ts";

/**
 * The way in which one side of a queue wakes the other: by a descriptor, by a message (in-band
 * notifications), or not at all, so that the other side must poll.
 */
export type NotificationWay = "eventfd" | "message" | "none";

export interface Notifications {
  /** The way to notify the back-end of new buffers. Default `eventfd`. */
  readonly kick?: NotificationWay | undefined;
  /**
   * The way to notify the client of used buffers; `none` needs queues that poll. Default `eventfd`.
   */
  readonly call?: NotificationWay | undefined;
}

/** The protocol features that a choice of notifications needs. */
export function featuresOfNotifications({ kick, call }: Notifications): bigint {
  if (kick !== "message" && call !== "message") return 0n;
  return (
    ProtocolFeature.InbandNotifications | ProtocolFeature.BackendReq | ProtocolFeature.ReplyAck
  );
}

/** Wakes the back-end. */
export interface Kick {
  signal(): void;
}
