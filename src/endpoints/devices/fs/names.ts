/**
 * Names of files are bytes: anything but '/' and NUL, in no encoding. Here are the rules for a
 * single name, and a text form of any name that reads back.
 */
import { UsageError } from "../../../core/base/errors/index.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** "." and "..", which lead elsewhere than to an entry of the folder. */
export function isDots(name: Uint8Array): boolean {
  return (
    (name.length === 1 && name[0] === DOT) ||
    (name.length === 2 && name[0] === DOT && name[1] === DOT)
  );
}

/**
 * Returns whether this can be the name of an entry: not empty, without '/' and NUL, neither "." nor
 * "..".
 */
export function isEntryName(name: Uint8Array): boolean {
  return name.length > 0 && !name.includes(SLASH) && !name.includes(0) && !isDots(name);
}

/**
 * A name as text: bytes that are not UTF-8, unprintable characters and backslashes are written `\xNN`. Two
 * different names never look the same, and none can drive a terminal.
 */
export function nameText(name: Uint8Array): string {
  let text = "";
  for (let at = 0; at < name.length;) {
    const length = characterLength(name, at);
    const bytes = name.subarray(at, at + Math.max(1, length));
    const character = length === 0 ? "" : new TextDecoder().decode(bytes);
    text += /^[^\p{C}\p{Zl}\p{Zp}\\]$/u.test(character) ? character : hexEscapes(bytes);
    at += bytes.length;
  }
  return text;
}

/**
 * The names of a path, each as bytes: the inverse of {@link nameText} between slashes. Empty parts
 * and "." are left out.
 *
 * @throws {UsageError} for "..", and for a backslash that begins no `\xNN`
 */
export function pathNames(path: string): Uint8Array[] {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .map((part) => {
      if (part === "..") {
        throw new UsageError(
          `${path}: the device does not understand ".."; write the path without it`,
        );
      }
      return nameBytes(part, path);
    });
}

function nameBytes(text: string, path: string): Uint8Array {
  const parts = text.split(/\\(?:x([0-9a-f]{2}))?/i);
  const bytes: Buffer[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    bytes.push(Buffer.from(parts[i] ?? ""));
    if (i + 1 === parts.length) break;
    const hex = parts[i + 1];
    if (hex === undefined || hex === "00" || hex.toLowerCase() === "2f") {
      throw new UsageError(
        `${path}: a backslash must begin \\xNN, neither \\x00 nor \\x2f; a backslash itself is \\x5c`,
      );
    }
    bytes.push(Buffer.from(hex, "hex"));
  }
  return Buffer.concat(bytes);
}

/** Returns the bytes of the UTF-8 character that begins at `at`; 0 if none does. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (length < 2) return length;
  try {
    const part = bytes.subarray(at, at + length);
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part);
    return part.length === length ? length : 0;
  } catch {
    return 0;
  }
}

function hexEscapes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
