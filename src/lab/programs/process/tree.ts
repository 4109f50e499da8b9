import { join } from "node:path";

const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/**
 * The words that start a program by its path in another system's root folder (for example one that
 * debootstrap made), with that system's own loader and libraries.
 *
 * @param path absolute, as this system sees it
 */
export function wordsInTree(root: string, path: string): string[] {
  const loader = join(root, "lib64/ld-linux-x86-64.so.2");
  return [loader, "--library-path", join(root, LIBRARIES), path];
}
