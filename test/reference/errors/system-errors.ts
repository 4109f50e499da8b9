/** System calls that users see fail, in the order of how often. */
export const systemErrors: readonly { readonly code: string; readonly text: string }[] = [
  { code: "ENOENT", text: "there is no such file or folder: correct the path, or make it" },
  { code: "ENOTDIR", text: "a part of the path is not a folder: correct the path" },
  { code: "EISDIR", text: "the path is a folder: name a file" },
  { code: "EEXIST", text: "the path exists already: choose another, or remove it" },
  {
    code: "EACCES",
    text: "no permission on the file or a folder above it: change the permissions, or run as its owner",
  },
  {
    code: "EPERM",
    text: "the system does not allow it to this user: run as root, or have the file's owner do it",
  },
  { code: "EROFS", text: "the file system is read-only: choose a path on another one" },
  { code: "ENOSPC", text: "no space left: make room, or choose a path on another file system" },
  { code: "EMFILE", text: "this process has too many open files: raise the limit (`ulimit -n`)" },
  { code: "ENFILE", text: "the system has too many open files: raise `fs.file-max` (`sysctl`)" },
  { code: "ENOMEM", text: "no memory left: free some, or use less" },
  { code: "EAGAIN", text: "a resource is used up for the moment: try again" },
  { code: "EPIPE", text: "the reader of a pipe or socket is gone" },
  { code: "EIO", text: "a disk or file failed: see the kernel's log (`dmesg`)" },
  {
    code: "ENOSYS",
    text: "the kernel has no such system call: use a newer kernel, or have the container allow it",
  },
  { code: "EINVAL", text: "the kernel refuses an argument: a bug, or a kernel that is too old" },
];
