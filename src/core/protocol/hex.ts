import { counted } from "../base/index.ts";

/** Formats bytes in hexadecimal, cut after `limit` bytes; a cut text ends with the full length. */
export function hexBytes(bytes: Uint8Array, limit = 32): string {
  const digits = Array.from(bytes.subarray(0, limit), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  return bytes.byteLength > limit ? `${digits}... (${counted(bytes.byteLength, "byte")})` : digits;
}
