/**
 * devices/fs: the file system device type (VIRTIO 5.11). `driver/` belongs to the client, `device/` to
 * the back-end; what both share is here.
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
