import { readFileSync, readlinkSync, statSync } from "node:fs";

/** The kernel object of a descriptor. Descriptors of the same object have the same identity. */
export interface KernelObject {
  /** `eventfd`, `memfd`, `socket`, `pipe`, `file`, or what the kernel calls it, e.g. `userfaultfd`. */
  readonly kind: string;
  /**
   * Equal for two descriptors of one object while it exists: the eventfd-id, else device and inode.
   * Absent where the kernel shows none, and in recordings that did not keep it.
   */
  readonly id?: string | undefined;
  /** Size of memory or of a file, in bytes. */
  readonly bytes?: number | undefined;
  /** Path of a file, name of a memfd. */
  readonly name?: string | undefined;
}

/**
 * Looks a descriptor of this process up in /proc. The object is not changed: an eventfd keeps its count.
 *
 * @param folder /proc/self; another process's folder shows its descriptors
 */
export function kernelObject(fd: number, folder = "/proc/self"): KernelObject {
  try {
    return identify(`${folder}/fd/${fd}`, `${folder}/fdinfo/${fd}`);
  } catch {
    // The descriptor was closed meanwhile, or /proc is not mounted.
    return { kind: "unknown" };
  }
}

function identify(link: string, information: string): KernelObject {
  const target = readlinkSync(link);
  const anonymous = /^anon_inode:\[?(\w+)/.exec(target)?.[1];
  // All anonymous objects have one inode: only an eventfd has a number of its own.
  if (anonymous === "eventfd") return { kind: anonymous, id: eventId(information) };
  if (anonymous !== undefined) return { kind: anonymous };
  const { dev, ino, size } = statSync(link);
  const id = `${dev}:${ino}`;
  const special = /^(socket|pipe):/.exec(target)?.[1];
  if (special !== undefined) return { kind: special, id };
  const name = /^\/memfd:(.*?)(?: \(deleted\))?$/.exec(target)?.[1];
  if (name !== undefined) return { kind: "memfd", id, bytes: size, name };
  return { kind: "file", id, bytes: size, name: target };
}

function eventId(information: string): string | undefined {
  return /^eventfd-id:\s*(\d+)$/m.exec(readFileSync(information, "utf8"))?.[1];
}
