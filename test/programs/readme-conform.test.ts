import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { readDocument } from "../support/markdown.ts";
import { packageRoot } from "../support/package-root.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

/** The README's lines that judge a program of `--exec`. */
const lines = readDocument("README.md")
  .blocks.flatMap(({ text }) => text.split("\n"))
  .filter((line) => /^vhost-user conform .*--exec/.test(line));
/** Where Debian 12 has it; the README names it by its path. */
const VIRTIOFSD = "/usr/lib/qemu/virtiofsd";

function skipOf(line: string): string | false {
  for (const name of ["qemu-storage-daemon", "qemu-system-x86_64"] as const) {
    if (line.includes(`${name} `)) return needsProgram(name);
  }
  return needsRoot() || (existsSync(VIRTIOFSD) ? false : `there is no ${VIRTIOFSD}`);
}

test("the README has lines for a disk, a file system and both kinds of front-end", () => {
  assert.equal(lines.length, 4);
});

for (const line of lines) {
  const title = /--exec ['"](\S+)/.exec(line)?.[1];
  const kind = line.includes("--device net") ? ", network card" : "";
  test(`the README's line judges ${title}${kind}`, { skip: skipOf(line) }, async (t) => {
    const folder = temporaryDirectory(t);
    mkdirSync(join(folder, "shared"));
    writeFileSync(join(folder, "disk.img"), "");
    truncateSync(join(folder, "disk.img"), 16 << 20);
    symlinkSync(join(packageRoot, "bin", "vhost-user.js"), join(folder, "vhost-user"));
    const one = line.includes("--front-end") ? "fe/1" : "header/1";
    const child = spawn("bash", ["-c", `${line} --only ${one} 2>&1`], {
      cwd: folder,
      env: { ...process.env, PATH: `${folder}:${process.env["PATH"]}`, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, printed);
    assert.match(printed, new RegExp(`^PASS +${one} `, "m"));
    const report = /--(?:html|junit) (\S+)/.exec(line)?.[1];
    if (report !== undefined) assert.ok(existsSync(join(folder, report)));
  });
}
