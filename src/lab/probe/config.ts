import { RemoteError, type WaitOptions } from "../../core/base/index.ts";
import { blockConfigLayout, decodeBlockConfig } from "../../endpoints/devices/block/config.ts";
import { decodeFsConfig, fsConfigLayout } from "../../endpoints/devices/fs/config.ts";
import type { FrontendRequests } from "../../endpoints/frontend/requests.ts";
import type { DeviceName } from "../../core/protocol/index.ts";

type Decode = (bytes: Uint8Array) => Record<string, unknown>;

/** Sizes to ask for, largest first: a device refuses more than it has. */
const SPACES: Partial<Record<DeviceName, { sizes: readonly number[]; decode: Decode }>> = {
  block: { sizes: blockConfigLayout.sizes, decode: block },
  net: { sizes: [24, 17, 12, 10, 8, 6], decode: net },
  fs: { sizes: fsConfigLayout.sizes, decode: fs },
  vsock: { sizes: [8], decode: (bytes) => ({ guestCid: view(bytes).getBigUint64(0, true) }) },
};

/** Reads and decodes the configuration space; null when it is unknown or the device refuses. */
export async function probeConfig(
  requests: FrontendRequests,
  device: DeviceName | null,
  wait: WaitOptions,
): Promise<Record<string, unknown> | null> {
  const space = device === null ? undefined : SPACES[device];
  if (space === undefined) return null;
  try {
    return space.decode(await requests.getLargestConfig(space.sizes, wait));
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return null;
  }
}

function block(bytes: Uint8Array): Record<string, unknown> {
  return { ...decodeBlockConfig(bytes) };
}

/** virtio_net_config: mac, status, max_virtqueue_pairs, mtu, speed, duplex. */
function net(bytes: Uint8Array): Record<string, unknown> {
  const data = view(bytes);
  const has = (end: number): boolean => bytes.length >= end;
  return {
    mac: Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, "0")).join(":"),
    ...(has(8) && { status: data.getUint16(6, true) }),
    ...(has(10) && { maxVirtqueuePairs: data.getUint16(8, true) }),
    ...(has(12) && { mtu: data.getUint16(10, true) }),
    ...(has(17) && { speed: data.getUint32(12, true), duplex: data.getUint8(16) }),
  };
}

function fs(bytes: Uint8Array): Record<string, unknown> {
  return { ...decodeFsConfig(bytes) };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
