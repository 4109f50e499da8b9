import { type DeviceState, versionedState } from "../../../backend/index.ts";
import { counted, recordOf, UsageError } from "../../../../core/base/index.ts";
import type { BlockStorage } from "../../../storage/index.ts";

/**
 * The state of a disk. Its data is in a file that the destination must have; only the size is
 * transferred, so that a driver does not continue on another disk.
 */
export function blockState(storage: BlockStorage): DeviceState {
  return versionedState({
    type: "block",
    version: 1,
    save: () => ({ bytes: storage.size, readOnly: storage.readOnly }),
    load: (value) => {
      const { bytes, readOnly } = recordOf(value);
      if (bytes === storage.size && readOnly === storage.readOnly) return;
      const kind = (only: unknown): string => (only === true ? "read-only" : "writable");
      throw new UsageError(
        `device state: the source has a ${kind(readOnly)} disk of ${counted(JSON.stringify(bytes), "byte")}, ` +
          `the destination a ${kind(storage.readOnly)} one of ${counted(storage.size, "byte")}; ` +
          `serve the same image at both ends`,
      );
    },
  });
}
