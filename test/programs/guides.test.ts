import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DocumentShell } from "../support/document-shell.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { consoleSteps, pagesIn, readDocument } from "../support/markdown.ts";
import { packageRoot } from "../support/package-root.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const pages = pagesIn("docs/guides");

for (const page of pages) {
  const blocks = readDocument(page).blocks.filter(({ tag }) => tag === "programs");
  const steps = blocks.flatMap((block) => consoleSteps(block));
  if (steps.length === 0) continue;
  const skip = needsProgram("qemu-system-x86_64") || needsProgram("qemu-storage-daemon");
  test(`the commands of ${page} that need programs print what it says`, { skip }, async (t) => {
    const shell = new DocumentShell(t);
    for (const step of steps) await shell.check(step);
    await shell.end();
  });
}

/** The guides' lines that judge a program of `--exec` which this system may have. */
const lines = pages
  .flatMap((page) => readDocument(page).blocks)
  .flatMap(({ text }) => text.split("\n"))
  .filter((line) => /^vhost-user conform .*--exec ['"](?!\.\/my-)/.test(line));
/** Where Debian 12 has it; the guide names it by its path. */
const VIRTIOFSD = "/usr/lib/qemu/virtiofsd";

function skipOf(line: string): string | false {
  for (const name of ["qemu-storage-daemon", "qemu-system-x86_64"] as const) {
    if (line.includes(`${name} `)) return needsProgram(name);
  }
  return needsRoot() || (existsSync(VIRTIOFSD) ? false : `there is no ${VIRTIOFSD}`);
}

test("the guides have lines for a disk, a file system and both kinds of front-end", () => {
  assert.equal(lines.length, 4);
});

for (const line of lines) {
  const title = /--exec ['"](\S+)/.exec(line)?.[1];
  const kind = line.includes("--device net") ? ", network card" : "";
  test(`the guide's line judges ${title}${kind}`, { skip: skipOf(line) }, async (t) => {
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
