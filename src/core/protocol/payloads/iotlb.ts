import type { Codec } from "../codec.ts";
import { u64, u8 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * A request for a translation, an update or an invalidation (specification: "An IOTLB message").
 * The layout is that of the kernel's `struct vhost_iotlb_msg`, tail padding included.
 *
 * | offset | size | name         |
 * | ------ | ---- | ------------ |
 * | 0      | 8    | iova         |
 * | 8      | 8    | size         |
 * | 16     | 8    | userAddress  |
 * | 24     | 1    | permissions  |
 * | 25     | 1    | type         |
 * | 26     | 6    | tail padding |
 */
export interface Iotlb {
  readonly iova: bigint;
  readonly size: bigint;
  /** A guest address with GPA_ADDRESSES, but never in a back-end's message. */
  readonly userAddress: bigint;
  /** One of {@link IotlbPermission}. */
  readonly permissions: number;
  /** One of {@link IotlbType}. */
  readonly type: number;
}

export const IotlbPermission = { None: 0, Read: 1, Write: 2, ReadWrite: 3 } as const;

export const IotlbType = { Miss: 1, Update: 2, Invalidate: 3, AccessFail: 4 } as const;

const typeNames: Readonly<Record<number, string>> = {
  [IotlbType.Miss]: "miss",
  [IotlbType.Update]: "update",
  [IotlbType.Invalidate]: "invalidate",
  [IotlbType.AccessFail]: "access-fail",
};
const permissionNames = ["none", "r", "w", "rw"];

const named = (value: number, name: string | undefined): string =>
  name === undefined ? String(value) : `${value} (${name})`;

export const iotlb: Codec<Iotlb> = struct<Iotlb>(
  "IOTLB message",
  32,
  {
    iova: u64(0),
    size: u64(8),
    userAddress: u64(16),
    permissions: { ...u8(24), format: (value) => named(value, permissionNames[value]) },
    type: { ...u8(25), format: (value) => named(value, typeNames[value]) },
  },
  [[26, 6]],
);
