import { ProtocolFeature } from "../../core/protocol/index.ts";

/**
 * How one side of a queue wakes the other: by a descriptor, by a message (in-band notifications),
 * or not at all, so that the other side has to look.
 */
export type NotificationWay = "eventfd" | "message" | "none";

export interface Notifications {
  /** How the back-end learns of new buffers. Default `eventfd`. */
  readonly kick?: NotificationWay | undefined;
  /** How the client learns of used ones; `none` needs queues that poll. Default `eventfd`. */
  readonly call?: NotificationWay | undefined;
}

/** The protocol features that a choice of notifications needs. */
export function featuresOfNotifications({ kick, call }: Notifications): bigint {
  if (kick !== "message" && call !== "message") return 0n;
  return (
    ProtocolFeature.InbandNotifications | ProtocolFeature.BackendReq | ProtocolFeature.ReplyAck
  );
}

/** What wakes the back-end. */
export interface Kick {
  signal(): void;
}
