import { counted } from "../../../core/base/index.ts";
import { UsageError } from "../../../core/base/errors/index.ts";
import {
  configField,
  decodePresentConfig,
  type ConfigLayout,
  type Field,
} from "../../../core/protocol/index.ts";

/**
 * Configuration space of the file system device, VIRTIO 5.11.4. Little-endian:
 *
 * | offset:size | field | with feature |
 * | --- | --- | --- |
 * | 0:36 | tag, UTF-8, padded with NUL, not terminated when it has 36 bytes | |
 * | 36:4 | num_request_queues | |
 * | 40:4 | notify_buf_size | NOTIFICATION |
 */
export const FS_CONFIG_SIZE = 40;
/** Size of the configuration space with notify_buf_size. */
const FS_CONFIG_SIZE_NOTIFICATION = 44;
/** Size of the tag in bytes. */
const FS_TAG_BYTES = 36;

export interface FsConfig {
  /** The name under which a guest mounts the file system. */
  readonly tag: string;
  /** The number of request queues, which begin with queue 1. */
  readonly numRequestQueues: number;
  /** Size in bytes, if the device has the field. */
  readonly notifyBufSize?: number;
}

const tag: Field<string> = {
  offset: 0,
  size: FS_TAG_BYTES,
  read: (view, base) => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + base, FS_TAG_BYTES);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  },
  write: (view, base, value) =>
    new TextEncoder().encode(value).forEach((byte, i) => view.setUint8(base + i, byte)),
  format: (value) => value,
};

export const fsConfigLayout: ConfigLayout<FsConfig> = {
  sizes: [FS_CONFIG_SIZE_NOTIFICATION, FS_CONFIG_SIZE],
  fields: {
    tag,
    numRequestQueues: configField.u32(FS_TAG_BYTES),
    notifyBufSize: configField.u32(40),
  },
};

/** Decodes a space of {@link FS_CONFIG_SIZE} bytes or more. */
export function decodeFsConfig(bytes: Uint8Array): FsConfig {
  return { tag: "", numRequestQueues: 0, ...decodePresentConfig(fsConfigLayout, bytes) };
}

/**
 * The {@link FS_CONFIG_SIZE} bytes of a configuration space.
 *
 * @throws {UsageError} the tag is empty, has a NUL, or more than 36 bytes
 */
export function encodeFsConfig({ tag, numRequestQueues }: FsConfig): Uint8Array {
  const encoded = new TextEncoder().encode(tag);
  if (encoded.length === 0 || encoded.length > FS_TAG_BYTES || encoded.includes(0)) {
    throw new UsageError(
      `the tag must have 1 to ${FS_TAG_BYTES} bytes without NUL; it has ${counted(encoded.length, "byte")}`,
    );
  }
  const bytes = new Uint8Array(FS_CONFIG_SIZE);
  bytes.set(encoded);
  new DataView(bytes.buffer).setUint32(FS_TAG_BYTES, numRequestQueues, true);
  return bytes;
}
