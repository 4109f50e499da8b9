// Compiles native/*.c: one compiler call, with the headers of the package node-api-headers. Node's
// own headers are not needed, so it works in an installed package, without a network.
//
//   node scripts/build-native.mjs [--optional] [--force] [--prebuild]
//
// --optional  no compiler is not a failure (npm ci must work without one)
// --force     also when the output is up to date
// --prebuild  writes the binary of the package, prebuilds/linux-ARCH-LIBC.node, stripped; the same
//             sources and compiler give the same bytes
// Environment: CC (default cc), CFLAGS (appended, not with --prebuild).
// Exit codes: 0 built or nothing to do, 1 the compilation failed, 4 no compiler.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import nodeApi from "node-api-headers";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const optional = process.argv.includes("--optional");
const force = process.argv.includes("--force");
const prebuild = process.argv.includes("--prebuild");

const compiler = process.env["CC"] || "cc";
const extraFlags = (process.env["CFLAGS"] ?? "").split(/\s+/).filter((flag) => flag !== "");
const flags = [
  ..."-std=c11 -O2 -Wall -Wextra -fPIC -shared -fvisibility=hidden".split(" "),
  // In a checkout only: a user's newer compiler may have warnings that ours does not know.
  ...(existsSync(join(root, "tsconfig.json")) ? ["-Werror"] : []),
  // A worker that ends unloads the addon; the SIGBUS handler must outlive it.
  "-Wl,-z,nodelete,-z,relro,-z,now",
  ...(prebuild ? ["-s", "-Wl,--build-id=none"] : extraFlags),
];
const stamp = JSON.stringify({ arch: process.arch, compiler, flags });

const installHint = [
  "    sudo apt-get install -y gcc libc6-dev",
  "    sudo dnf install -y gcc glibc-devel",
  "    sudo apk add gcc musl-dev linux-headers",
];

function say(text) {
  process.stderr.write(`${text}\n`);
}

/** The libc of the running Node; src/core/os/addon.ts looks for it in the same way. */
function libc() {
  return readFileSync("/proc/self/maps", "utf8").includes("/ld-musl-") ? "musl" : "glibc";
}

function outputFile() {
  return prebuild
    ? join(root, "prebuilds", `linux-${process.arch}-${libc()}.node`)
    : join(root, "build", "native", "vhost_user.node");
}

/** All of native/, headers included. */
function sources() {
  return readdirSync(join(root, "native"))
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join("native", name));
}

function upToDate(output, stampFile) {
  if (!existsSync(output) || !existsSync(stampFile)) return false;
  if (readFileSync(stampFile, "utf8") !== stamp) return false;
  const built = statSync(output).mtimeMs;
  return sources().every((name) => statSync(join(root, name)).mtimeMs <= built);
}

/** False when the compilation failed; throws ENOENT when the command does not exist. */
function compile(target) {
  const files = sources().filter((name) => name.endsWith(".c"));
  const result = spawnSync(
    compiler,
    [...flags, `-I${nodeApi.include_dir}`, ...files, "-o", target],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (result.error) throw result.error;
  return result.status === 0;
}

function build() {
  if (process.platform !== "linux") {
    say(`vhost-user: the native addon is for Linux; nothing to build on ${process.platform}`);
    return optional ? 0 : 4;
  }
  const output = outputFile();
  const stampFile = prebuild ? undefined : join(dirname(output), "stamp.json");
  if (stampFile !== undefined && !force && upToDate(output, stampFile)) return 0;
  const temporary = `${output}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(output), { recursive: true });
    if (!compile(temporary)) {
      say("vhost-user: compiling the native addon failed");
      return 1;
    }
    // Renamed, so that a process which loads it meanwhile sees the old file or the new one, whole.
    renameSync(temporary, output);
    if (stampFile !== undefined) writeFileSync(stampFile, stamp);
    return 0;
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes(error.code)) {
      say(`vhost-user: ${error.path} cannot be written; run this as the owner of ${root}`);
      return 1;
    }
    if (error.code !== "ENOENT" || !error.syscall?.startsWith("spawn")) throw error;
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
