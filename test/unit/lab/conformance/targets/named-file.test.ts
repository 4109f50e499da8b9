import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { namedFile } from "../../../../../src/lab/conformance/targets/named-file.ts";

test("the image of a disk is the one file of its size that the command names", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-named-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: number): string => {
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(bytes));
    return path;
  };
  const image = file("disk.img", 4096);
  const program = file("program", 100);
  for (const word of [image, `--blk-file=${image}`, `driver=file,filename=${image},node-name=n`])
    assert.equal(namedFile([program, word, "--socket={socket}"], 4096), image, word);
  assert.equal(namedFile([program, image, `path=${image}`], 4096), image, "it is named twice");
  const other = file("other.img", 4096);
  assert.equal(namedFile([image, other], 4096), undefined, "two of them have the size");
  assert.equal(namedFile([program, image], 8192), undefined);
  assert.equal(namedFile([folder, "x".repeat(5000), ""], 4096), undefined);
});
