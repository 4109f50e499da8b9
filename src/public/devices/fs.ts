/**
 * `vhost-user/devices/fs`: file systems (VIRTIO 5.11, with FUSE requests).
 *
 * - {@link FsDriver} sends single requests to a back-end such as virtiofsd
 * - {@link FsTree} reads files and folders by their paths
 * - {@link FsDevice} serves a {@link SharedFolder}, read-only
 */
export { fsKind } from "../../endpoints/devices/fs/kind.ts";
export {
  type DirectoryEntry,
  type DirectoryEntryPlus,
  FileType,
  type FoundNode,
  type FsConfig,
  FsDevice,
  type FsDeviceOptions,
  FsDriver,
  type FsDriverOptions,
  FsError,
  FsFeature,
  type FsFile,
  FsTree,
  FUSE_ROOT_ID,
  type FuseAttributes,
  type FuseCall,
  type FuseEntry,
  FuseInitFlag,
  FuseOpcode,
  fuseOpcodeName,
  type FuseStatfs,
  type InitReply,
  type ListedEntry,
  SharedFolder,
  type SharedFolderOptions,
} from "../../endpoints/devices/fs/index.ts";
