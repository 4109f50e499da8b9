import { randomBytes } from "node:crypto";
import { closeSync, constants, ftruncateSync, openSync, writeFileSync } from "node:fs";

/** What a disk holds: holes, zeroes that are written, or noise. */
export type Content = "holes" | "zeroes" | "noise";
export const CONTENTS: readonly Content[] = ["holes", "zeroes", "noise"];

/** Makes an image. */
export function writeImage(path: string, size: number, content: Content): void {
  writeFileSync(path, content === "noise" ? randomBytes(size) : Buffer.alloc(size));
  if (content !== "holes") return;
  const fd = openSync(path, constants.O_RDWR);
  ftruncateSync(fd, 0);
  ftruncateSync(fd, size);
  closeSync(fd);
}
