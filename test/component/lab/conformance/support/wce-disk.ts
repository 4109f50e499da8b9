import type { RunningQueue } from "../../../../../src/core/runtime/index.ts";
import type { ServedQueue } from "../../../../../src/core/virtqueue/index.ts";
import type { Device, DeviceConfig } from "../../../../../src/endpoints/backend/index.ts";
import { BlockFeature } from "../../../../../src/endpoints/devices/block/index.ts";
import { WrappedDevice } from "../../../../../src/lab/faults/wrapped-device.ts";
import { capability } from "../../../../support/capability.ts";

/** VIRTIO 5.2.4 */
const WCE = 32;

/** A disk whose driver may switch its write cache: it has a field of configuration to write. */
export class WceDisk extends WrappedDevice {
  override readonly features: bigint;

  constructor(disk: Device) {
    super(disk, { config: withWce(capability(disk, "config")) });
    this.features = disk.features | BlockFeature.ConfigWce;
  }

  protected override wrapQueue({ queue }: RunningQueue): ServedQueue {
    return queue;
  }
}

function withWce(plain: DeviceConfig): DeviceConfig {
  let wce = 0;
  return {
    size: plain.size,
    read: (offset, out) => {
      plain.read(offset, out);
      if (offset <= WCE && WCE < offset + out.length) out[WCE - offset] = wce;
    },
    write: (offset, bytes, by) => {
      const [value = 0] = bytes;
      if (offset !== WCE || bytes.length !== 1) return plain.write(offset, bytes, by);
      wce = value & 1;
      return true;
    },
  };
}
