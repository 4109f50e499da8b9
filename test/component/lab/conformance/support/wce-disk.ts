import type { DeviceConfig, RunningQueue } from "../../../../../src/endpoints/backend/index.ts";
import { BlockFeature } from "../../../../../src/endpoints/devices/block/layout.ts";
import { WrappedDevice } from "../../../../../src/lab/faults/wrapped-device.ts";
import type { DeviceQueue } from "../../../../../src/core/virtqueue/index.ts";

/** VIRTIO 5.2.4 */
const WCE = 32;

/** A disk whose driver may switch its write cache: it has a field of configuration to write. */
export class WceDisk extends WrappedDevice {
  #wce = 0;

  override get features(): bigint {
    return super.features | BlockFeature.ConfigWce;
  }

  override get config(): DeviceConfig {
    const plain = super.config;
    return {
      size: plain.size,
      read: (offset, out) => {
        plain.read(offset, out);
        if (offset <= WCE && WCE < offset + out.length) out[WCE - offset] = this.#wce;
      },
      write: (offset, bytes, by) => {
        const [value = 0] = bytes;
        if (offset !== WCE || bytes.length !== 1) return plain.write(offset, bytes, by);
        this.#wce = value & 1;
        return true;
      },
    };
  }

  protected override wrapQueue({ queue }: RunningQueue): DeviceQueue {
    return queue;
  }
}
