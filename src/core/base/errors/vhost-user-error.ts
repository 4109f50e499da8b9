import type { ErrorCode } from "../error-codes.ts";

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

/** Sets the names of classes on their prototypes, so that `name` is not an own property of every error. */
export function nameClasses(
  ...types: readonly { readonly name: string; readonly prototype: Error }[]
): void {
  for (const { name, prototype } of types) {
    Object.defineProperty(prototype, "name", { value: name, configurable: true });
  }
}

nameClasses(VhostUserError);
