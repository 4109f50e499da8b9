/**
 * devices/fs: the file system device type (VIRTIO 5.11), both sides of it. Files without a side in
 * their names are shared; `driver…` and `queue.ts` belong to the client, `device…` and `chain-…` to
 * the back-end.
 */
export * from "./config.ts";
export * from "./device/device.ts";
export * from "./device/folder.ts";
export type { DirectoryEntry, DirectoryEntryPlus } from "./directory-entry.ts";
export * from "./driver/driver.ts";
export type { FuseCall } from "./driver/requests.ts";
export * from "./driver/tree.ts";
export * from "./fs-error.ts";
export {
  FileType,
  FsFeature,
  FUSE_ROOT_ID,
  type FuseAttributes,
  type FuseEntry,
  FuseInitFlag,
  type FuseStatfs,
  type InitReply,
  S_IFMT,
} from "./layout.ts";
export { nameText, pathNames } from "./names.ts";
export { FuseOpcode, fuseOpcodeName } from "./opcodes.ts";
export * from "./type.ts";
