import { closeSync, openSync, writeSync } from "node:fs";
import { TracePage, type TracePageEnd } from "../../../../lab/trace-page/index.ts";
import type { TraceConsumer } from "../../../../lab/trace/index.ts";
import { makeUserFile, withUserFile } from "../../files.ts";
import { CAPTURE_MODE } from "./modes.ts";

/** Writes a trace as one HTML page, at its end. */
export class PageOutput {
  readonly consumer: TraceConsumer;
  readonly #page = new TracePage();
  readonly #path: string;
  readonly #fd: number;

  /** @throws {UsageError | EnvironmentError} the file cannot be made */
  constructor(path: string, force: boolean) {
    this.consumer = this.#page;
    this.#path = path;
    this.#fd = makeUserFile(path, force, (flag) => openSync(path, flag, CAPTURE_MODE));
  }

  /** Writes the page. */
  close(end: TracePageEnd): void {
    try {
      withUserFile(this.#path, "an output file", "name another path", () => {
        for (const part of this.#page.parts(end)) this.#write(Buffer.from(part));
      });
    } finally {
      closeSync(this.#fd);
    }
  }

  #write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
  }
}
