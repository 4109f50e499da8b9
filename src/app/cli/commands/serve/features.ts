import { UsageError } from "../../../../core/base/index.ts";
import {
  type DeviceType,
  parseProtocolFeature,
  parseVirtioFeature,
} from "../../../../core/protocol/index.ts";

/** Feature bits of both words. */
export interface FeatureMasks {
  readonly virtio: bigint;
  readonly protocol: bigint;
}

/**
 * Names of features, virtio and protocol mixed: full names, their last parts, and `protocol:` or
 * `virtio:` in front of bit numbers and masks, which are virtio's otherwise.
 *
 * @throws {UsageError} no such feature
 */
export function parseFeatures(names: readonly string[], device: DeviceType): FeatureMasks {
  let virtio = 0n;
  let protocol = 0n;
  for (const name of names) {
    const [word = "", text] = name.includes(":") ? name.split(":", 2) : [undefined, name];
    if (word === "protocol") protocol |= parseProtocolFeature(text ?? "");
    else if (word === "virtio" || isVirtio(text ?? "", device)) {
      virtio |= parseVirtioFeature(text ?? "", device);
    } else protocol |= parseEither(text ?? "", device);
  }
  return { virtio, protocol };
}

function isVirtio(text: string, device: DeviceType): boolean {
  // MQ and CONFIG are names in both words; the protocol's have to be asked for in full.
  try {
    parseVirtioFeature(text, device);
    return true;
  } catch {
    return false;
  }
}

function parseEither(text: string, device: DeviceType): bigint {
  try {
    return parseProtocolFeature(text);
  } catch (error) {
    throw new UsageError(
      `no virtio (${device.name}) or protocol feature is called "${text}"; ` +
        `write names as probe prints them, such as VIRTIO_RING_F_EVENT_IDX or VHOST_USER_PROTOCOL_F_REPLY_ACK`,
      { cause: error },
    );
  }
}
