/** One entry of an archive; `mode` carries the file type (`0o100755` a program, `0o040755` a folder). */
export interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly bytes?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number];
}

/**
 * An archive in the "newc" format that the kernel unpacks as its initramfs. Written here and not
 * by cpio(1), because only so can a device node get into it without root.
 *
 * Header: `070701`, then 13 fields of 8 hex digits (inode, mode, uid, gid, links, mtime, size,
 * device major and minor, node major and minor, length of the name with its NUL, check); name and
 * content are each padded to 4 bytes.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const trailer: CpioEntry = { path: "TRAILER!!!", mode: 0 };
  return Buffer.concat([...entries, trailer].flatMap((entry, index) => encode(entry, index + 1)));
}

function encode(entry: CpioEntry, inode: number): Uint8Array[] {
  const bytes = entry.bytes ?? new Uint8Array();
  const name = Buffer.from(`${entry.path}\0`);
  const [major, minor] = entry.device ?? [0, 0];
  const fields = [inode, entry.mode, 0, 0, 1, 0, bytes.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.from(
    `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`,
  );
  return [header, name, padding(header.length + name.length), bytes, padding(bytes.length)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
