import { type DeviceState, versionedState } from "../../../backend/index.ts";
import { ProtocolError, recordOf } from "../../../../core/base/index.ts";
import type { DeviceControl } from "./control.ts";

/**
 * The state of a network device: its counters, which continue at the destination, and the settings
 * of its control queue. Frames that wait for buffers are lost, which Ethernet allows.
 */
export function netState(counters: object, control: DeviceControl | undefined): DeviceState {
  const sums = counters as Record<string, number>;
  const names = Object.keys(sums);
  return versionedState({
    type: "net",
    version: 1,
    save: () => (control === undefined ? sums : { ...sums, control: control.save() }),
    load: (value) => {
      const given = recordOf(value);
      const isSum = (sum: unknown): boolean => Number.isSafeInteger(sum) && Number(sum) >= 0;
      const wrong = names.filter((name) => !isSum(given[name]));
      if (wrong.length > 0) {
        throw new ProtocolError(
          `device state: counters must be whole numbers from 0, not ${wrong.map((name) => `${name}: ${JSON.stringify(given[name])}`).join(", ")}`,
          { field: "device state" },
        );
      }
      if (control !== undefined && !control.load(given["control"])) {
        throw new ProtocolError(
          `device state: ${JSON.stringify(given["control"])} is not the state of a control queue`,
          { field: "device state" },
        );
      }
      for (const name of names) sums[name] = Number(given[name]);
    },
  });
}
