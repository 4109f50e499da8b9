/**
 * The errors of this package: one class per situation, so that a caller can decide by `instanceof`
 * or by `code`. A message says what is wrong, with the value, and what to do about it.
 */
import type { ErrorCode } from "./error-codes.ts";

const brand = Symbol.for("vhost-user.error");

/**
 * Base class: `code` names the situation, `cause` what led to it.
 *
 * @example
 * ```ts
 * import { Client, VhostUserError } from "vhost-user";
 *
 * try {
 *   await Client.connect("missing.sock");
 * } catch (error) {
 *   if (!VhostUserError.isVhostUserError(error)) throw error;
 *   console.log(error.code, error.message); // ERR_VHOST_CONNECT …
 * }
 * ```
 */
export class VhostUserError extends Error {
  readonly code: ErrorCode;
  readonly [brand] = true;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Also true for an error made by another loaded copy of this package. */
  static isVhostUserError(value: unknown): value is VhostUserError {
    return value instanceof Error && (value as Partial<VhostUserError>)[brand] === true;
  }
}

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
 * The operation does not fit the state of the object: closed, not started, started twice.
 *
 * @example
 * ```ts
 * import { Client, StateError } from "vhost-user";
 *
 * const client = await Client.connect("disk.sock");
 * await client.close();
 * try {
 *   await client.requests.getFeatures();
 * } catch (error) {
 *   console.log(error instanceof StateError || client.closed);
 * }
 * ```
 */
export class StateError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_STATE", message, options);
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

/** A queue with requests in flight that do not complete. */
export interface RingStall {
  readonly queue: number;
  readonly inFlight: number;
  /** Milliseconds since the last completion. */
  readonly idleMs: number;
}

/**
 * The peer still answers messages, but no longer completes the requests of a queue.
 *
 * @example
 * ```ts
 * import { StalledError } from "vhost-user";
 *
 * // Names the queues that complete nothing, of an error of a load.
 * function stalled(error: unknown): readonly number[] {
 *   return error instanceof StalledError ? error.queues.map(({ queue }) => queue) : [];
 * }
 * ```
 */
export class StalledError extends TimeoutError {
  readonly queues: readonly RingStall[];

  /** @param limitMs the longest time without a completion, milliseconds */
  constructor(limitMs: number, queues: readonly RingStall[]) {
    const each = queues.map(({ queue, inFlight, idleMs }) => {
      const since = new Date(Date.now() - idleMs).toTimeString().slice(0, 8);
      return `queue ${queue} has ${inFlight} in flight and has completed none since ${since}`;
    });
    super(`nothing completed within ${limitMs / 1000} s: ${each.join("; ")}`);
    this.queues = queues;
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

/**
 * An address or length that no shared region covers, or memory that the peer took away.
 *
 * @example
 * ```ts
 * import { GuestMemory, MemoryAccessError } from "vhost-user";
 *
 * const memory = new GuestMemory({ size: 1 << 20 });
 * try {
 *   memory.allocate(2 << 20);
 * } catch (error) {
 *   console.log(error instanceof MemoryAccessError, error);
 * }
 * memory.close();
 * ```
 */
export class MemoryAccessError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_MEMORY", message, options);
  }
}

/**
 * A virtqueue broke the rules of the VIRTIO specification and is no longer served.
 *
 * @example
 * ```ts
 * import { QueueError } from "vhost-user";
 *
 * // Reports a ring that one of the sides has broken, in the option `onProblem` of both.
 * function onProblem(problem: Error): void {
 *   if (problem instanceof QueueError) console.log(`the ring is broken: ${problem.message}`);
 * }
 * ```
 */
export class QueueError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_QUEUE", message, options);
  }
}

/**
 * A device completed a request with a status other than OK.
 *
 * @example
 * ```ts
 * import { Client, DeviceError } from "vhost-user";
 * import { BlockDriver } from "vhost-user/devices/block";
 *
 * const client = await Client.connect("disk.sock");
 * const disk = await BlockDriver.start(client);
 * try {
 *   await disk.read(disk.size, 512); // behind the end
 * } catch (error) {
 *   if (error instanceof DeviceError) console.log(error.status);
 * }
 * await client.close();
 * ```
 */
export class DeviceError extends VhostUserError {
  /** The device's own status value, e.g. 1 for `VIRTIO_BLK_S_IOERR`. */
  readonly status: number;

  constructor(status: number, message: string) {
    super("ERR_VHOST_DEVICE", message);
    this.status = status;
  }
}

/**
 * This machine lacks something: the addon, a program, a permission, memory, descriptors.
 *
 * @example
 * ```ts
 * import { Client, EnvironmentError } from "vhost-user";
 *
 * try {
 *   const client = await Client.connect("disk.sock", { memory: { size: 1 << 20, hugePages: true } });
 *   await client.close();
 * } catch (error) {
 *   if (error instanceof EnvironmentError) console.log(`this machine lacks: ${error.message}`);
 * }
 * ```
 */
export class EnvironmentError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_ENVIRONMENT", message, options);
  }
}

/**
 * The caller passed an invalid option, range or combination.
 *
 * @example
 * ```ts
 * import { UsageError } from "vhost-user";
 * import { BlockStorage } from "vhost-user/storage";
 *
 * try {
 *   BlockStorage.open("hello.txt"); // not a multiple of 512 bytes
 * } catch (error) {
 *   if (error instanceof UsageError) console.log(error.message);
 * }
 * ```
 */
export class UsageError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_USAGE", message, options);
  }
}

// Set on the prototypes, so that `name` is not an own property of every error.
for (const type of [
  VhostUserError,
  ProtocolError,
  NegotiationError,
  StateError,
  ConnectError,
  PeerClosedError,
  TimeoutError,
  StalledError,
  RemoteError,
  MemoryAccessError,
  QueueError,
  DeviceError,
  EnvironmentError,
  UsageError,
]) {
  Object.defineProperty(type.prototype, "name", { value: type.name, configurable: true });
}

/**
 * A system call failed. Same shape as Node's own errors.
 *
 * @example
 * ```ts
 * import { OwnedFd, SystemError } from "vhost-user";
 *
 * try {
 *   OwnedFd.duplicateOf(1 << 20);
 * } catch (error) {
 *   if (error instanceof SystemError) console.log(error.code, error.syscall); // EBADF
 * }
 * ```
 */
export class SystemError extends Error {
  /** `ECONNREFUSED` and so on. */
  readonly code: string;
  /** Negative, as in Node's own errors. */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(code: string, errno: number, syscall: string, description: string, path?: string) {
    super(`${syscall}: ${description} (${code})${path === undefined ? "" : `: ${path}`}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}
Object.defineProperty(SystemError.prototype, "name", { value: "SystemError", configurable: true });
