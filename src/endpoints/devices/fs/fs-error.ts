import { DeviceError } from "../../../core/base/errors/index.ts";
import { errnoName } from "./errno.ts";

/**
 * The device answered a FUSE request with an error.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { FsDriver, FsError, FUSE_ROOT_ID } from "vhost-user/devices/fs";
 *
 * const client = await Client.connect("fs.sock");
 * const driver = await FsDriver.start(client);
 * try {
 *   await driver.lookup(FUSE_ROOT_ID, Buffer.from("missing"));
 * } catch (error) {
 *   if (error instanceof FsError) console.log(error.errnoName); // ENOENT
 * }
 * await client.close();
 * ```
 */
export class FsError extends DeviceError {
  /** `ENOENT` and so on; {@link DeviceError.status} is its number. */
  readonly errnoName: string;

  /** @param what the request in words */
  constructor(what: string, errno: number) {
    const name = errnoName(errno);
    super(errno, `${what}: the device answered ${name}`);
    this.errnoName = name;
  }
}
Object.defineProperty(FsError.prototype, "name", { value: "FsError", configurable: true });
