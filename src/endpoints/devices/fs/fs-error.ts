import { DeviceError } from "../../../core/base/errors.ts";
import { errnoName } from "./errno.ts";

/** The device answered a FUSE request with an error. */
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
