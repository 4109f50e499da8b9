import { readFileSync } from "node:fs";
import { UsageError } from "../../core/base/index.ts";

/** `(gid_t)-1` means no group at all. */
const MAX_GROUP_ID = 2 ** 32 - 2;

/**
 * The id of a group, by its name in a file such as `/etc/group`, or as a number.
 *
 * @throws {UsageError} there is no such group
 */
export function parseGroup(text: string, file: string = "/etc/group"): number {
  if (/^\d+$/.test(text) && Number(text) <= MAX_GROUP_ID) return Number(text);
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [name, , id = ""] = line.split(":");
    if (name === text && /^\d+$/.test(id)) return Number(id);
  }
  throw new UsageError(
    `"${text}" is not the name of a group in ${file}; give the number of a group that is defined elsewhere`,
  );
}

/**
 * Permission bits as chmod takes them in octal.
 *
 * @throws {UsageError}
 */
export function parseMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new UsageError(`"${text}" is not an octal mode such as 0660`);
}
