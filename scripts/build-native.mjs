// Compiles native/*.c to build/native/vhost_user.node. One compiler call against the headers of
// the running Node; where those are not installed, node-gyp fetches them.
//
//   node scripts/build-native.mjs [--optional] [--force]
//
// --optional  no compiler is not a failure (npm ci must work without one)
// --force     also when the output is up to date
// Environment: CC (default cc), CFLAGS (appended), VHOST_USER_NODE_GYP=1 (skip the direct way).
// Exit codes: 0 built or nothing to do, 1 the compilation failed, 4 no compiler.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sourceFolder = join(root, "native");
const outputFolder = join(root, "build", "native");
const output = join(outputFolder, "vhost_user.node");
const stampFile = join(outputFolder, "stamp.json");
const optional = process.argv.includes("--optional");
const force = process.argv.includes("--force");

const compiler = process.env["CC"] || "cc";
const extraFlags = (process.env["CFLAGS"] ?? "").split(/\s+/).filter((flag) => flag !== "");
const flags = [
  ..."-std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden".split(" "),
  // A worker that ends unloads the addon; the SIGBUS handler must outlive it.
  "-Wl,-z,nodelete,-z,relro,-z,now",
  ...extraFlags,
];
const stamp = JSON.stringify({ node: process.version, arch: process.arch, compiler, flags });

const installHint = [
  "    sudo apt-get install -y gcc libc6-dev",
  "    sudo dnf install -y gcc glibc-devel",
];

function sources() {
  return readdirSync(sourceFolder)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(sourceFolder, name));
}

function upToDate() {
  if (!existsSync(output) || !existsSync(stampFile)) return false;
  if (readFileSync(stampFile, "utf8") !== stamp) return false;
  const built = statSync(output).mtimeMs;
  return readdirSync(sourceFolder).every(
    (name) => statSync(join(sourceFolder, name)).mtimeMs <= built,
  );
}

/** Undefined where Node was installed without its headers, as by some distributions. */
function headers() {
  const folder = join(dirname(dirname(realpathSync(process.execPath))), "include", "node");
  const complete = ["node_api.h", "uv.h"].every((name) => existsSync(join(folder, name)));
  return complete ? folder : undefined;
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function run(command, args, cwd, output = "inherit") {
  const result = spawnSync(command, args, { cwd, stdio: ["ignore", output, output] });
  if (result.error) throw result.error;
  return result.status === 0;
}

/** False when the compilation failed; throws ENOENT when the command does not exist. */
function compile(target) {
  const include = process.env["VHOST_USER_NODE_GYP"] ? undefined : headers();
  if (include !== undefined) {
    return run(compiler, [...flags, `-I${include}`, ...sources(), "-o", target], root);
  }
  // Looked for first: node-gyp fetches headers and then reports a missing compiler in many words.
  run(compiler, ["--version"], root, "ignore");
  // node-gyp leaves its files beside binding.gyp; they do not belong among the sources.
  const work = `${target}.gyp`;
  mkdirSync(work, { recursive: true });
  try {
    for (const name of readdirSync(sourceFolder)) {
      if (/\.(c|h|gyp)$/.test(name)) copyFileSync(join(sourceFolder, name), join(work, name));
    }
    // 12 is the last line that runs on Node 20.
    if (!run("npx", ["--yes", "node-gyp@12", "rebuild", "--silent"], work)) return false;
    copyFileSync(join(work, "build", "Release", "vhost_user.node"), target);
    return true;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function build() {
  if (process.platform !== "linux") {
    say(`vhost-user: the native addon is for Linux; nothing to build on ${process.platform}`);
    return optional ? 0 : 4;
  }
  if (!force && upToDate()) return 0;
  mkdirSync(outputFolder, { recursive: true });
  const temporary = `${output}.${process.pid}.tmp`;
  try {
    if (!compile(temporary)) {
      say("vhost-user: compiling the native addon failed");
      return 1;
    }
    // Renamed, so that a process which loads it meanwhile sees the old file or the new one, whole.
    renameSync(temporary, output);
    writeFileSync(stampFile, stamp);
    return 0;
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    if (optional) {
      say(
        `vhost-user: no C compiler (${error.path}): the native addon was not built; later: npm run build`,
      );
      return 0;
    }
    say(`vhost-user: ${error.path} was not found; the native addon needs a C compiler:`);
    say(installHint.join("\n"));
    return 4;
  } finally {
    rmSync(temporary, { force: true });
  }
}

process.exitCode = build();
