import { counted } from "../../../core/base/index.ts";
import { UsageError } from "../../../core/base/errors.ts";

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
/** With notify_buf_size. */
export const FS_CONFIG_SIZE_NOTIFICATION = 44;
/** Bytes. */
export const FS_TAG_BYTES = 36;

export interface FsConfig {
  /** The name under which a guest mounts the file system. */
  readonly tag: string;
  /** Request queues, from queue 1 on. */
  readonly numRequestQueues: number;
  /** Bytes; where the space has it. */
  readonly notifyBufSize?: number;
}

/** Reads a space of {@link FS_CONFIG_SIZE} bytes or more. */
export function decodeFsConfig(bytes: Uint8Array): FsConfig {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = bytes.subarray(0, FS_TAG_BYTES);
  const end = tag.indexOf(0);
  return {
    tag: new TextDecoder().decode(end < 0 ? tag : tag.subarray(0, end)),
    numRequestQueues: view.getUint32(FS_TAG_BYTES, true),
    ...(bytes.length >= FS_CONFIG_SIZE_NOTIFICATION && {
      notifyBufSize: view.getUint32(40, true),
    }),
  };
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
      `expected a tag of 1 to ${FS_TAG_BYTES} bytes without NUL, got ${counted(encoded.length, "byte")}`,
    );
  }
  const bytes = new Uint8Array(FS_CONFIG_SIZE);
  bytes.set(encoded);
  new DataView(bytes.buffer).setUint32(FS_TAG_BYTES, numRequestQueues, true);
  return bytes;
}
