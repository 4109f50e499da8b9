/** The peer, or the connection to it, did not do what it should. */
import { nameClasses, VhostUserError } from "./vhost-user-error.ts";

/** Details of a message that broke the protocol. */
export interface ProtocolErrorDetails {
  /** Specification name of the request, e.g. `VHOST_USER_GET_FEATURES`. */
  readonly request?: string | undefined;
  /** Name of the offending field, e.g. `size`. */
  readonly field?: string | undefined;
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
}

/**
 * Bytes or descriptors from the peer that the specification does not allow at this point.
 *
 * @example
 * ```ts
 * import { ProtocolError } from "vhost-user";
 * import { decodeHeader } from "vhost-user/protocol";
 *
 * try {
 *   decodeHeader(new Uint8Array(3));
 * } catch (error) {
 *   if (error instanceof ProtocolError) console.log(error.details.field);
 * }
 * ```
 */
export class ProtocolError extends VhostUserError {
  readonly details: ProtocolErrorDetails;

  constructor(message: string, details: ProtocolErrorDetails = {}, options?: ErrorOptions) {
    super("ERR_VHOST_PROTOCOL", message, options);
    this.details = details;
  }
}

/**
 * A feature that the operation needs was not offered or not acknowledged.
 *
 * @example
 * ```ts
 * import { Client, NegotiationError } from "vhost-user";
 *
 * try {
 *   const client = await Client.connect("disk.sock", { packed: true });
 *   await client.close();
 * } catch (error) {
 *   if (error instanceof NegotiationError) console.log("the back-end has split rings only");
 * }
 * ```
 */
export class NegotiationError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_NEGOTIATION", message, options);
  }
}

/**
 * No peer: no socket at the path, no program that listens on it, or one that is too busy.
 *
 * @example
 * ```ts
 * import { Client, ConnectError } from "vhost-user";
 *
 * try {
 *   await Client.connect("missing.sock");
 * } catch (error) {
 *   if (error instanceof ConnectError) console.log("start the back-end first");
 * }
 * ```
 */
export class ConnectError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_CONNECT", message, options);
  }
}

/**
 * The peer closed the connection while something was still expected of it.
 *
 * @example
 * ```ts
 * import { Client, PeerClosedError } from "vhost-user";
 *
 * const client = await Client.connect("disk.sock");
 * void client.closed.then(({ error }) => {
 *   if (error instanceof PeerClosedError) console.log("the back-end has left");
 * });
 * await client.close();
 * ```
 */
export class PeerClosedError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_PEER_CLOSED", message, options);
  }
}

/**
 * The peer did not answer, or did not complete a request, in time.
 *
 * @example
 * ```ts
 * import { Client, TimeoutError } from "vhost-user";
 *
 * try {
 *   const client = await Client.connect("disk.sock", { timeoutMs: 500 });
 *   await client.close();
 * } catch (error) {
 *   if (error instanceof TimeoutError) console.log("no answer within half a second");
 * }
 * ```
 */
export class TimeoutError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_TIMEOUT", message, options);
  }
}

/**
 * The peer answered, and the answer is "failed" (a non-zero REPLY_ACK, an empty config reply).
 *
 * @example
 * ```ts
 * import { Client, RemoteError } from "vhost-user";
 *
 * const client = await Client.connect("disk.sock");
 * try {
 *   await client.requests.getConfig(0, 256); // more than the device has
 * } catch (error) {
 *   if (error instanceof RemoteError) console.log(error.request);
 * }
 * await client.close();
 * ```
 */
export class RemoteError extends VhostUserError {
  /** Specification name of the request that failed. */
  readonly request: string;
  /** The value of the acknowledgement; only zero and non-zero are portable. */
  readonly value: bigint | undefined;

  constructor(request: string, message: string, value?: bigint) {
    super("ERR_VHOST_REMOTE", message);
    this.request = request;
    this.value = value;
  }
}

nameClasses(
  ProtocolError,
  NegotiationError,
  ConnectError,
  PeerClosedError,
  TimeoutError,
  RemoteError,
);
