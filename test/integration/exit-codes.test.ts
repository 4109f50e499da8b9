import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ExitCode } from "../../src/app/cli/exit-code.ts";
import { commanderErrors } from "../reference/errors/commander-errors.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { rawListener, type RunOptions, Workspace } from "./support/index.ts";

guardLeaks();

/** A command that ends with an exit code. */
interface Example {
  readonly code: ExitCode;
  readonly what: string;
  readonly args: (space: Workspace) => readonly string[] | Promise<readonly string[]>;
  readonly options?: (space: Workspace) => RunOptions;
  readonly says: RegExp;
}

/** A front-end that asks for features and waits: it starts no ring. */
const asking = (space: Workspace): string =>
  space.file(
    "asks.mjs",
    `import { connect } from "node:net";
    const socket = connect(process.argv[2], () => {
      socket.write(Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0));
    });
    socket.on("close", () => process.exit());
    socket.resume();`,
  );

const examples: readonly Example[] = [
  {
    code: ExitCode.Ok,
    what: "probe of a back-end",
    args: async (space) => ["probe", (await space.serve()).socket],
    says: /^$/,
  },
  {
    code: ExitCode.Failed,
    what: "verified I/O with a back-end that corrupts what is read",
    args: async (space) => {
      const { socket } = await space.serve(["--size", "1M", "--fault", "corrupt-read"]);
      return ["io", "block", "verify", socket, "-q", "--overwrite"];
    },
    says: /^vhost-user: data differs at byte /,
  },
  {
    code: ExitCode.Usage,
    what: "two options that cannot be combined",
    args: () => ["serve", "block", "--socket", "a", "--connect", "b"],
    says: /^vhost-user: --socket and --connect cannot be combined$/m,
  },
  {
    code: ExitCode.Usage,
    what: "a file that does not exist",
    args: () => ["serve", "block", "--socket", "a", "--image", "none.img"],
    says: /^vhost-user: none\.img cannot be used as a writable image: there is no such file; /,
  },
  {
    code: ExitCode.Unreachable,
    what: "a socket without a listener",
    args: () => ["probe", "none.sock"],
    says: /^vhost-user: none\.sock: no program listens there: /,
  },
  {
    code: ExitCode.Unreachable,
    what: "a back-end that never answers",
    args: (space) => ["io", "block", "id", "--timeout", "100ms", space.path("silent.sock")],
    says: /^vhost-user: VHOST_USER_GET_FEATURES: .* within 100 ms/,
  },
  {
    code: ExitCode.Failed,
    what: "a back-end of which nothing was judged",
    args: async (space) => ["conform", (await space.serve()).socket, "--only", "fs/1"],
    says: /^vhost-user: 0 judged of 1 check; fs\/1: for fs devices/m,
  },
  {
    code: ExitCode.Failed,
    what: "a front-end of which nothing was judged",
    args: (space) => {
      const exec = `${process.execPath} ${asking(space)} {socket}`;
      const words = "conform --front-end --device block --only fe/14 --timeout-factor 0.1 --exec";
      return [...words.split(" "), exec];
    },
    says: /^vhost-user: 0 judged of 1 check; fe\/14: it started no ring/m,
  },
  {
    code: ExitCode.Environment,
    what: "a program that is not installed",
    args: () => ["bench", "block", "--exec", "no-such-program {socket}"],
    says: /^vhost-user: the program no-such-program was not found .*: install it/,
  },
  {
    code: ExitCode.Environment,
    what: "more descriptors than the limit allows",
    args: () => ["stress", "--clients", "100", "--rounds", "1"],
    options: () => ({ wrapper: ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh"] }),
    says: /^vhost-user: 100 clients need 964 file descriptors .*; raise the limit \(ulimit -n 964\)/,
  },
  {
    code: ExitCode.Wrapper,
    what: "a wrapped program that is not installed",
    args: () => ["trace", "--listen", "x", "--exec-back-end", "no-such-program {socket}"],
    says: /^vhost-user: the program no-such-program was not found /,
  },
  {
    code: ExitCode.Internal,
    what: "a bug, planted by a module that breaks JSON.stringify",
    args: async (space) => ["probe", (await space.serve()).socket, "--json"],
    options: (space) => ({
      env: {
        NODE_OPTIONS: `--import=${space.file("bug.mjs", "JSON.stringify = () => JSON.bug();")}`,
      },
    }),
    says: /^vhost-user: internal error: JSON\.bug is not a function\nthis is a bug; run again with --debug/,
  },
];

for (const { code, what, args, options, says } of examples) {
  test(`exit code ${code}: ${what}`, async (t) => {
    const space = new Workspace(t);
    await rawListener(t, space.path("silent.sock"), (socket) => socket.resume());
    const words = await args(space);
    const result = await space.run(words, options?.(space));
    assert.match(result.stderr, says);
    assert.equal(result.code, code, result.stderr);
  });
}

for (const [signal, code] of [
  ["SIGHUP", ExitCode.HungUp],
  ["SIGINT", ExitCode.Interrupted],
  ["SIGTERM", ExitCode.Terminated],
] as const) {
  test(`exit code ${code}: a command that waits is ended by ${signal}`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("silent.sock");
    let connected: () => void = () => undefined;
    const connection = new Promise<void>((resolve) => (connected = resolve));
    await rawListener(t, path, (socket) => {
      socket.resume();
      connected();
    });
    const running = space.start(["io", "block", "id", path, "--timeout", "60s"]);
    await connection;
    const result = await running.stop(signal);
    assert.equal(result.stderr, `vhost-user: interrupted by ${signal}\n`);
    assert.equal(result.code, code);
  });
}

test("every exit code has an example here, and a row in the reference", () => {
  const shown: readonly number[] = [
    ...examples.map(({ code }) => code),
    ExitCode.HungUp,
    ExitCode.Interrupted,
    ExitCode.Terminated,
  ];
  const page = readFileSync(join(packageRoot, "docs/reference/exit-codes.md"), "utf8");
  for (const code of Object.values(ExitCode)) {
    assert.ok(shown.includes(code), `${code} has no example`);
    assert.match(page, new RegExp(String.raw`^\| ${code} \|`, "m"));
  }
});

for (const { form, example } of commanderErrors) {
  test(`wrong words on the command line: ${form}`, async (t) => {
    const space = new Workspace(t);
    const { code, stdout, stderr } = await space.run(example.split(" "));
    assert.deepEqual([code, stdout], [ExitCode.Usage, ""]);
    const parts = form
      .split(/<[^<>]*>|\[s\]/)
      .map((part) => part.replaceAll(/[.*+?()[\]]/g, String.raw`\$&`));
    assert.match(stderr, new RegExp(`^vhost-user: ${parts.join(".*")}`));
    const [, help = ""] = /\nsee (vhost-user(?: [a-z-]+)*) --help\n$/.exec(stderr) ?? [];
    assert.match(help, /^vhost-user/, stderr);
    const shown = await space.run([...help.split(" ").slice(1), "--help"]);
    assert.equal(shown.code, ExitCode.Ok);
    assert.match(shown.stdout, new RegExp(`^Usage: ${help} `));
  });
}
