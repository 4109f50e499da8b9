import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { EnvironmentError } from "../../src/core/base/index.ts";
import { resolveProgram } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { type Result, type Running, type RunOptions, Workspace } from "./support/index.ts";
import { Registry } from "./support/registry.ts";

guardLeaks();

interface Manifest {
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as Manifest;

/** Not what `npm test` sets for its scripts, and no proxy before the registry of the test. */
const outerEnvironment: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => /^npm_|_proxy$/i.test(name))
      .map((name) => [name, ""]),
  ),
  // Newer Nodes let npm and tsc leave compiled code among the temporary files.
  NODE_DISABLE_COMPILE_CACHE: "1",
};

function npm(cwd: string, env: Readonly<Record<string, string>> = {}): RunOptions {
  return {
    cwd,
    program: ["npm"],
    env: { ...outerEnvironment, npm_config_loglevel: "error", ...env },
  };
}

function succeeded(what: string, { code, stdout, stderr }: Result): string {
  assert.equal(code, 0, `${what} ended with ${code}:\n${stderr}${stdout}`);
  return stdout;
}

/** Packs a copy of the checkout that has leftovers of other builds; resolves with the tarball. */
async function pack(space: Workspace): Promise<string> {
  const checkout = space.path("checkout");
  const left = ["node_modules", "dist", "build", "prebuilds", "test", ".git", "coverage"];
  const leftPaths = new Set(left.map((name) => join(packageRoot, name)));
  cpSync(packageRoot, checkout, { recursive: true, filter: (path) => !leftPaths.has(path) });
  symlinkSync(join(packageRoot, "node_modules"), join(checkout, "node_modules"));
  for (const leftover of [
    "dist/src/leftover.js",
    "dist/examples/leftover.js",
    "dist/test/leftover.js",
    "prebuilds/linux-x64-leftover.node",
    "build/native/vhost_user.node",
  ]) {
    mkdirSync(dirname(join(checkout, leftover)), { recursive: true });
    writeFileSync(join(checkout, leftover), "");
  }
  const result = await space.run(["pack", "--pack-destination", space.folder], npm(checkout));
  return space.path(succeeded("npm pack", result).trim().split("\n").at(-1) ?? "");
}

interface PackedFile {
  readonly path: string;
  readonly size: number;
  readonly executable: boolean;
}

function listTarball(tarball: string): PackedFile[] {
  const { stdout } = spawnSync("tar", ["-tvzf", tarball], { encoding: "utf8" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [mode = "", , size, , , path = ""] = line.split(/ +/);
      return {
        path: path.replace("package/", ""),
        size: Number(size),
        executable: mode[3] === "x",
      };
    });
}

/** The package installed in a folder, and its programs. */
class Installed {
  /** A PATH with nothing but Node: no compiler, no npm, no shell. */
  readonly onlyNode: string;
  readonly #space: Workspace;
  readonly #folder: string;

  private constructor(space: Workspace, folder: string) {
    this.#space = space;
    this.#folder = folder;
    this.onlyNode = space.path("bin");
    mkdirSync(this.onlyNode);
    symlinkSync(process.execPath, join(this.onlyNode, "node"));
  }

  /** As a user does it: `npm install FILE.tgz` in an empty folder. */
  static async from(tarball: string, space: Workspace, registry: Registry): Promise<Installed> {
    const folder = space.path("user");
    mkdirSync(folder);
    const result = await space.run(
      ["install", tarball],
      npm(folder, { npm_config_registry: registry.url, npm_config_cache: space.path("cache") }),
    );
    succeeded("npm install", result);
    return new Installed(space, folder);
  }

  path(...names: readonly string[]): string {
    return join(this.#folder, ...names);
  }

  /** A file of the package. */
  file(...names: readonly string[]): string {
    return this.path("node_modules", "vhost-user", ...names);
  }

  start(program: readonly string[], args: readonly string[], PATH = this.onlyNode): Running {
    const env = { ...outerEnvironment, PATH };
    return this.#space.start(args, { cwd: this.#folder, program, env });
  }

  /** A program by its link in `node_modules/.bin`. */
  program(name: string, args: string, PATH?: string): Running {
    return this.start([`./node_modules/.bin/${name}`], args.split(" "), PATH);
  }

  example(name: string, args: string, PATH?: string): Running {
    return this.start(["node", this.file("dist", "examples", name)], args.split(" "), PATH);
  }
}

/** demo, serve, probe, io, conform on a back-end program, and the examples. */
async function useEverything(installed: Installed, PATH?: string): Promise<void> {
  const run = async (args: string): Promise<string> =>
    succeeded(`vhost-user ${args}`, await installed.program("vhost-user", args, PATH).result);
  assert.match(await run("demo --size 1M"), /^ok: /m);

  const server = installed.program(
    "vhost-user",
    "serve block --socket s --size 1M --workers",
    PATH,
  );
  await server.printed(/listening on /);
  assert.match(await run("probe s"), /VIRTIO_BLK_F_FLUSH/);
  await run("io block verify s --length 64K");
  succeeded("vhost-user serve", await server.stop());

  writeFileSync(installed.path("disk.img"), Buffer.alloc(1 << 20));
  const backEnd = "node_modules/.bin/vhost-user-block --socket-path={socket} --blk-file=disk.img";
  const conform = ["conform", "--only", "header/1", "blk/1", "--exec", backEnd];
  const judged = installed.start(["./node_modules/.bin/vhost-user"], conform, PATH);
  assert.match(succeeded("vhost-user conform", await judged.result), /2 passed|2 PASS/i);

  const backend = installed.example("backend.js", "e", PATH);
  await backend.printed(/listening on /);
  const client = await installed.example("client.js", "e", PATH).result;
  assert.equal(succeeded("client.js", client), "67108864 bytes, sector 0: hello\n");
  succeeded("backend.js", await backend.stop("SIGINT"));

  const entropy = (name: string): string => installed.file("dist", "examples", "entropy", name);
  const suite = ["conform", "--only", "entropy", "split/1", "--device", entropy("kit.js")];
  const target = ["--exec", `node ${entropy("serve.js")} {socket}`];
  const own = installed.start(["./node_modules/.bin/vhost-user"], [...suite, ...target], PATH);
  assert.match(succeeded("conform --device kit.js", await own.result), /4 passed|4 PASS/i);
}

const tsc = join(packageRoot, "node_modules/typescript/bin/tsc");

/** The compiler options that docs/guides/install.md has for a project with TypeScript. */
function compilerOptionsOfGuide(): object {
  const guide = readFileSync(join(packageRoot, "docs/guides/install.md"), "utf8");
  const [, text = ""] = /^```json\n([^`]*)^```$/m.exec(guide) ?? [];
  const { compilerOptions }: { readonly compilerOptions: object } = JSON.parse(text);
  return compilerOptions;
}

/** With `CI=true` a missing program is a failure, as a skip would hide that nothing was tested. */
function missingProgram(): string | false {
  const missing = ["npm", "tar", "cc"].filter((name) => resolveProgram(name) === undefined);
  if (missing.length === 0) return false;
  const reason = `${missing.join(", ")} not found`;
  if (process.env["CI"] === "true") throw new EnvironmentError(reason);
  return reason;
}

test("the packed package", { skip: missingProgram() }, async (t) => {
  const registry = await Registry.start(t);
  const space = new Workspace(t);
  const tarball = await pack(space);
  const files = listTarball(tarball);

  await t.test("has what its manifest names, and nothing that is only of use in a checkout", () => {
    const paths = new Set(files.map(({ path }) => path));
    const named = [
      ...Object.values(manifest.bin),
      ...Object.values(manifest.exports).flatMap((target) =>
        typeof target === "string" ? [target] : Object.values(target),
      ),
      `prebuilds/linux-${process.arch}-glibc.node`,
      "scripts/build-native.mjs",
      "LICENSE",
      "README.md",
    ].map((path) => path.replace("./", ""));
    // On musl this checkout makes another prebuilt addon.
    const missing = named.filter(
      (path) => !paths.has(path) && !paths.has(path.replace("glibc", "musl")),
    );
    assert.deepEqual(missing, []);
    const roots = manifest.files
      .filter((pattern) => !pattern.startsWith("!"))
      .map((pattern) => pattern.replace(/\*.*/, ""));
    const always = ["package.json", "README.md", "LICENSE"];
    const surplus = [...paths].filter(
      (path) =>
        !(always.includes(path) || roots.some((root) => path.startsWith(root))) ||
        // Sources, maps, records of the compiler, tests, leftovers.
        /(?<!\.d)\.ts$|\.map$|\.tsbuildinfo$|\.test\.|leftover|^build\//.test(
          path.replace(/^examples\/([a-z-]+\/)?[a-z-]+\.ts$/, ""),
        ),
    );
    assert.deepEqual(surplus, []);
    const programs = files.filter(({ path }) => Object.values(manifest.bin).includes(path));
    assert.ok(programs.every(({ executable }) => executable));
  });

  await t.test("is at most 1.4 MB of at most 1,600 files, 5 MB unpacked", () => {
    const packed = readFileSync(tarball).length;
    const unpacked = files.reduce((sum, { size }) => sum + size, 0);
    t.diagnostic(`${packed} bytes, ${files.length} files, ${unpacked} bytes unpacked`);
    assert.ok(packed <= 1_400_000, `${packed} bytes`);
    assert.ok(files.length <= 1600, `${files.length} files`);
    assert.ok(unpacked <= 5_000_000, `${unpacked} bytes unpacked`);
  });

  const installed = await Installed.from(tarball, space, registry);

  await t.test("is installed with its dependencies and no other package", () => {
    const names = readdirSync(installed.path("node_modules")).filter((name) => name[0] !== ".");
    assert.deepEqual(names.sort(), [...Object.keys(manifest.dependencies), "vhost-user"].sort());
  });

  await t.test("works without a compiler", async () => useEverything(installed));

  await t.test(
    "is typed for a strict consumer with TypeScript 7 and @types/node, also as the guide configures it",
    async () => {
      const types = installed.path("node_modules", "@types");
      mkdirSync(types, { recursive: true });
      symlinkSync(join(packageRoot, "node_modules/@types/node"), join(types, "node"));
      const { version } = JSON.parse(
        readFileSync(join(packageRoot, "node_modules/typescript/package.json"), "utf8"),
      ) as { readonly version: string };
      assert.match(version, /^7\./, "the version of the compiler that is meant");
      const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith(".json"));
      const names = entries.map((entry) => entry.replace(".", "vhost-user"));
      const lines = [
        ...names.map((name, index) => `import * as entry${index} from "${name}";`),
        `export const all: readonly object[] = [${names.map((_, index) => `entry${index}`).join(", ")}];`,
      ];
      writeFileSync(installed.path("consumer.ts"), lines.join("\n"));
      for (const name of ["backend.ts", "client.ts"])
        copyFileSync(installed.file("examples", name), installed.path(name));
      // The package's own kind of module, as in a project of a user who has ES modules.
      const json = JSON.parse(readFileSync(installed.path("package.json"), "utf8")) as object;
      writeFileSync(installed.path("package.json"), JSON.stringify({ ...json, type: "module" }));
      const files = ["consumer.ts", "backend.ts", "client.ts"];
      const compile = async (name: string, compilerOptions: object): Promise<Result> => {
        const config = installed.path(`${name}.json`);
        writeFileSync(config, JSON.stringify({ compilerOptions, files }));
        return installed.start(["node", tsc], ["-p", config, "--noEmit"]).result;
      };
      const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false };
      const own = { ...strict, types: ["node"], lib: ["ES2022"] };
      const configurations = {
        nodenext: { ...own, module: "nodenext", moduleResolution: "nodenext" },
        bundler: { ...own, module: "esnext", moduleResolution: "bundler" },
        guide: compilerOptionsOfGuide(),
      };
      const checks = Object.entries(configurations).map(async ([name, options]) =>
        succeeded(name, await compile(name, options)),
      );
      const withoutTypes = compile("withoutTypes", { ...compilerOptionsOfGuide(), types: [] });
      await Promise.all(checks);
      // TypeScript 7 takes no package of types by itself: that is why the guide has the line.
      assert.match((await withoutTypes).stdout, /'process'.* add 'node' to the types field/);
    },
  );

  await t.test("without an addon for the machine, gives the command that builds one", async () => {
    rmSync(installed.file("prebuilds"), { recursive: true });
    const { code, stderr } = await installed.program("vhost-user", "demo").result;
    assert.equal(code, 4);
    const command = /then run:\n +node (\S+)$/.exec(stderr.trim())?.[1];
    assert.equal(command, installed.file("scripts", "build-native.mjs"), stderr);
    const { stdout } = await installed.program("vhost-user", "check").result;
    assert.match(stdout, /could not be loaded; tried \/\S+\/vhost_user\.node: no such file, /);
    const refused = await installed.start(["node", command], []).result;
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /cc was not found; the native addon needs a C compiler:\n +sudo /);
    const PATH = process.env["PATH"] ?? "";
    succeeded(command, await installed.start(["node", command], [], PATH).result);
    await useEverything(installed, PATH);
  });

  await t.test("names the file that is missing from an installation", async () => {
    rmSync(installed.path("node_modules", "commander"), { recursive: true });
    for (const program of Object.keys(manifest.bin)) {
      const { code, stderr } = await installed.program(program, "--help").result;
      assert.equal(code, 4, program);
      assert.match(
        stderr,
        /^vhost-user: a file of .* is missing; install it again: .*'commander'.*\n$/,
      );
    }
    rmSync(installed.file("dist"), { recursive: true });
    const { code, stderr } = await installed.program("vhost-user", "demo").result;
    assert.equal(code, 4);
    assert.match(
      stderr,
      /^vhost-user: this package has no dist\/src: .*; pack it again with npm pack\n$/,
    );
  });
});
