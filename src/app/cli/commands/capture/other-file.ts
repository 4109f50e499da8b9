import { statSync } from "node:fs";
import { UsageError } from "../../../../core/base/index.ts";

/**
 * Refuses to write what is being read: with --force the file would be emptied first.
 *
 * @throws {UsageError} both paths are the same file
 */
export function expectOtherFile(input: string, output: string): void {
  const [from, to] = [input, output].map((path) => statSync(path, { throwIfNoEntry: false }));
  if (from === undefined || to === undefined) return;
  if (from.dev !== to.dev || from.ino !== to.ino) return;
  throw new UsageError(
    `${output} is the capture that is read; it was not changed: choose another path`,
  );
}
