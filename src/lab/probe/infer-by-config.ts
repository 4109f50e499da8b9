import { ProtocolError, RemoteError, type WaitOptions } from "../../core/base/index.ts";
import { ProtocolFeature } from "../../core/protocol/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { deviceKinds } from "../../endpoints/devices/registry.ts";
import type { FrontendRequests } from "../../endpoints/frontend/requests.ts";

/** Bits 0 to 23 belong to the device type. */
const DEVICE_BITS = (1n << 24n) - 1n;

/** The offer of a back-end, with the means to read its configuration space. */
export interface ConfigOffer {
  readonly virtio: bigint;
  readonly protocol: bigint;
  /** Reads from the start of the space; undefined if the back-end refuses. */
  readonly read: (sizes: readonly number[]) => Promise<Uint8Array | undefined>;
}

/**
 * Infers the device type of a back-end from its configuration space, where what it offers shows none.
 * Reads the space only if the offer fits a type that is recognized by it.
 *
 * @param wanted the name of a type that need not be recognized
 */
export async function inferByConfig(
  { virtio, protocol, read }: ConfigOffer,
  wanted?: string,
): Promise<DeviceKind | undefined> {
  if ((protocol & ProtocolFeature.Config) === 0n) return undefined;
  for (const kind of deviceKinds) {
    const { config, features, name } = kind;
    const known = features.reduce((bits, [bit]) => bits | (1n << BigInt(bit)), 0n);
    const fits = (virtio & DEVICE_BITS & ~known) === 0n;
    if (name === wanted || config === undefined || !fits) continue;
    if (kind.recognizesConfig === undefined) continue;
    const bytes = await read(config.sizes);
    if (bytes !== undefined && kind.recognizesConfig(bytes)) return kind;
  }
  return undefined;
}

/** Returns how a session reads the configuration space. */
export function configReader(
  requests: FrontendRequests,
  wait: WaitOptions = {},
): ConfigOffer["read"] {
  return async (sizes) => {
    try {
      return await requests.getLargestConfig(sizes, wait);
    } catch (error) {
      if (error instanceof RemoteError || error instanceof ProtocolError) return undefined;
      throw error;
    }
  };
}
