/** The caller, or this machine, has to change something. */
import { nameClasses, VhostUserError } from "./vhost-user-error.ts";

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

nameClasses(StateError, EnvironmentError, UsageError);
