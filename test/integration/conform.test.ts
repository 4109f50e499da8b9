import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import type { ConformanceReport } from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { shortConfig } from "../component/support/short-config.ts";
import { commandPath, rawListener, Workspace } from "./support/index.ts";

guardLeaks();

/** Our back-end as a target that the suite starts itself. */
const OURS = `${process.execPath} ${commandPath} serve block --size 1M --socket {socket}`;

const reportOf = (text: string): ConformanceReport => parseDocument("conformance", text);

/** A document with one list. */
type Listed<Name extends string> = Readonly<Record<Name, readonly object[]>>;

test("conform --list needs no target, and --json makes a document of it", async (t) => {
  const workspace = new Workspace(t);
  const text = await workspace.run(["conform", "--list", "--only", "header", "fe/1"]);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /^header\/1 +MUST +GET_FEATURES is answered/m);
  const { code, stdout } = await workspace.run(["conform", "--list", "--json"]);
  assert.equal(code, 0);
  const { checks: rows } = parseDocument<Listed<"checks">>("check-list", stdout);
  assert.ok(rows.length > 70);
  assert.deepEqual(Object.keys(rows[0] ?? {}), ["id", "title", "strength", "section"]);
});

test("our disk and our network card pass --fail-on warn, by --exec and by their socket", async (t) => {
  const workspace = new Workspace(t);
  // `serve` has options of its own: the programs of the conventions are `vhost-user-block` and so on.
  const options = ["--fail-on", "warn", "--json", "--except", "prog"];
  const { socket } = await workspace.serve([], "net.sock", "net");
  const onNet = ["--device", "net", "--fail-on", "warn", "-q"];
  // Both mostly wait.
  const [block, net] = await Promise.all([
    workspace.run(["conform", "--exec", OURS, ...options]),
    workspace.run(["conform", socket, ...onNet]),
  ]);
  assert.equal(block.code, 0, block.stderr);
  assert.equal(net.code, 0, net.stdout);
  const { counts, target, results } = reportOf(block.stdout);
  assert.equal(counts.FAIL + counts.WARN + counts.ERROR, 0);
  assert.equal(target.device, "block");
  assert.ok(results.every(({ verdict, exchange }) => verdict === "SKIP" || exchange.length > 0));
});

test("io, bench and conform go on with a back-end whose configuration space is short", async (t) => {
  const workspace = new Workspace(t);
  const storage = BlockStorage.memory(1 << 20);
  const socket = workspace.path("short.sock");
  const server = await BackendServer.listen(socket, {
    device: () => new BlockDevice({ storage }),
    ...shortConfig(24),
  });
  t.after(() => {
    server.close();
    storage.close();
  });
  const commands = [
    ["io", "block", "verify", socket, "--overwrite", "--depth", "4", "--ring-mode", "event"],
    ["bench", "block", socket, "--overwrite", "--count", "10", "--warmup", "1ms"],
    [
      "conform",
      socket,
      "--device",
      "block",
      "--fail-on",
      "warn",
      "--only",
      "config/1",
      "config/3",
      "blk/2",
      "-q",
    ],
  ];
  for (const command of commands) {
    const { code, stderr, stdout } = await workspace.run(command);
    assert.equal(code, 0, `${command.join(" ")}: ${stderr}${stdout}`);
  }
});

test("of a silent peer, conform says what probe says: who it is and what helps", async (t) => {
  const workspace = new Workspace(t);
  const path = workspace.path("silent.sock");
  await rawListener(t, path, (socket) => socket.resume());
  const quick = ["--timeout-factor", "0.2"];
  const { code, stderr } = await workspace.run(["conform", path, ...quick]);
  const { stderr: probed } = await workspace.run(["probe", path, "--timeout", "200ms"]);
  const diagnosis = /VHOST_USER_GET_FEATURES: no answer .*; peer is pid \d+ \(node\): .*$/m;
  assert.equal(
    diagnosis.exec(stderr)?.[0],
    `${diagnosis.exec(probed)?.[0]}; --timeout-factor gives it longer`,
  );
  assert.equal(code, 3);
});

test("of a front-end that listens, conform says so, and how it is judged", async (t) => {
  const workspace = new Workspace(t);
  const path = workspace.path("front-end.sock");
  const getFeatures = Buffer.from("010000000100000000000000", "hex");
  await rawListener(t, path, (socket) => {
    socket.resume();
    socket.write(getFeatures);
    socket.once("data", () =>
      socket.write(Buffer.from("100000000100000008000000" + "00".repeat(8), "hex")),
    );
  });
  const { code, stderr } = await workspace.run(["conform", path]);
  assert.match(
    stderr,
    /node listens there and is a front-end: .* waits for the replies of a back-end; to judge it, start it with --front-end --exec/,
  );
  assert.equal(code, 3);
});

test("a fault fails, with the exchange, the files, and the line that repeats it", async (t) => {
  const workspace = new Workspace(t);
  const { socket: path } = await workspace.serve(
    ["--size", "1M", "--fault", "wrong-version@GET_FEATURES"],
    "faulty.sock",
  );
  const files = ["--json-file", "--junit", "--markdown", "--html"].flatMap((option) => [
    option,
    workspace.path(option.slice(2)),
  ]);
  const only = ["--only", "header/1", "header/3", "slot/1"];
  const first = await workspace.run([
    "conform",
    path,
    ...only,
    ...files,
    "--keep",
    workspace.path("kept"),
  ]);
  assert.equal(first.code, 3, "a peer that does not answer GET_FEATURES is not a back-end");
  assert.match(first.stderr, /got request 1, flags 0x6; is this a back-end\?/);
  const { socket: other } = await workspace.serve(
    ["--size", "1M", "--fault", "missing-reply-flag@GET_MAX_MEM_SLOTS"],
    "other.sock",
  );
  const run = await workspace.run([
    "conform",
    other,
    ...only,
    ...files,
    "--keep",
    workspace.path("kept"),
  ]);
  assert.equal(run.code, 1);
  assert.match(run.stdout, /^PASS +header\/1/m);
  assert.match(run.stdout, /^FAIL +header\/3 .*\n +MUST, Header\n/m);
  assert.match(run.stdout, /│ .* > VHOST_USER_GET_MAX_MEM_SLOTS\n/);
  assert.match(run.stdout, /again: vhost-user conform .*other\.sock --seed \d+ --only header\/3/);
  const report = reportOf(readFileSync(workspace.path("json-file"), "utf8"));
  assert.equal(report.counts.FAIL, 2);
  assert.match(readFileSync(workspace.path("junit"), "utf8"), /failures="2"/);
  assert.match(readFileSync(workspace.path("markdown"), "utf8"), /❌ FAIL \| header\/3/);
  assert.match(readFileSync(workspace.path("html"), "utf8"), /id="header\/3" data-verdict="FAIL"/);
  assert.match(readFileSync(workspace.path("kept/header-3.txt"), "utf8"), /GET_MAX_MEM_SLOTS/);
  for (const file of ["junit", "markdown"]) {
    const [reason] = /.*expected request .*/.exec(readFileSync(workspace.path(file), "utf8")) ?? [];
    assert.ok(reason, `${file} has the reason`);
    assert.doesNotMatch(reason, /expected [^,]*: expected/);
  }
});

test("shards merge into the whole; a baseline makes expected what is known", async (t) => {
  const workspace = new Workspace(t);
  const { socket: path } = await workspace.serve([
    "--size",
    "1M",
    "--fault",
    "need-reply-echoed@GET_FEATURES",
  ]);
  const conform = ["conform", path, "--only", "header/1", "header/4", "header/2"];
  const parts = ["1/2", "2/2"].map((shard) => ({ shard, file: workspace.path(shard[0] ?? "") }));
  for (const { shard, file } of parts) {
    await workspace.run([...conform, "--shard", shard, "--json-file", file]);
  }
  const merged = await workspace.run(["conform", "merge", ...parts.map(({ file }) => file)]);
  assert.equal(merged.code, 0);
  assert.match(merged.stdout, /^3 checks: 1 PASS, 2 WARN$/m);
  const baseline = ["--baseline", workspace.path("baseline.json")];
  assert.equal(
    (await workspace.run([...conform, "--fail-on", "warn", ...baseline, "--update-baseline"])).code,
    0,
  );
  const held = await workspace.run([...conform, "--fail-on", "warn", ...baseline]);
  assert.equal(held.code, 0);
  assert.match(held.stdout, /1 PASS, 2 XFAIL$/m);
});

test("a known program is recognised by its name and version, and its findings are known", async (t) => {
  const workspace = new Workspace(t);
  const program = (version: string): string =>
    `#!/bin/sh
[ "$1" = --version ] && echo "qemu-storage-daemon version ${version} (test)" && exit
exec ${OURS.replace("{socket}", '"$1"')} --fault need-reply-echoed@GET_FEATURES
`;
  const path = workspace.file("qemu-storage-daemon", program("7.2.99"));
  chmodSync(path, 0o755);
  const conform = [
    "conform",
    "--exec",
    `env A=1 ${path} {socket}`,
    "--only",
    "header/1",
    "header/4",
  ];
  const known = await workspace.run(conform);
  assert.equal(known.code, 0, known.stderr);
  const line = /^1 known finding of qemu-storage-daemon 7\.2, none new/m;
  assert.match(known.stdout, /^WARN +header\/4/m, "it changes no verdict");
  assert.match(known.stdout, line);
  assert.match(known.stdout, /--baseline qemu-storage-daemon-7\.2 makes the known ones expected/);
  const named = [...conform, "--fail-on", "warn", "--baseline", "qemu-storage-daemon-7.2"];
  const expected = await workspace.run(named);
  assert.match(expected.stdout, /^XFAIL +header\/4/m);
  assert.match(expected.stdout, line);
  const update = await workspace.run([...named, "--update-baseline"]);
  assert.equal(update.code, 2);
  assert.match(update.stderr, /cannot write qemu-storage-daemon-7\.2, a baseline of the package/);
  workspace.file("qemu-storage-daemon", program("7.3.0"));
  const other = await workspace.run(conform);
  assert.doesNotMatch(other.stdout, /known finding/);
});

test("--list-baselines needs no target, and --json makes a document of it", async (t) => {
  const workspace = new Workspace(t);
  const text = await workspace.run(["conform", "--list-baselines"]);
  assert.equal(text.code, 0);
  assert.match(
    text.stdout,
    /^qemu-storage-daemon-7\.2 +qemu-storage-daemon 7\.2 +\d+ known findings$/m,
  );
  const { stdout } = await workspace.run(["conform", "--list-baselines", "--json"]);
  const { baselines } = parseDocument<Listed<"baselines">>("baseline-list", stdout);
  assert.deepEqual(Object.keys(baselines[0] ?? {}), ["name", "program", "version", "expectations"]);
});

test("--front-end judges our client", async (t) => {
  const workspace = new Workspace(t);
  // A command that runs until it is ended. The slowest checks start it many times: test/long has them.
  const client = `${process.execPath} ${commandPath} bench block {socket} --runtime 60m`;
  const { code, stdout } = await workspace.run([
    "conform",
    "--front-end",
    "--exec",
    client,
    "--except",
    "fe/17",
    "fe/25",
    "fe/27",
    "fe/28",
    "fe/35",
    "--fail-on",
    "warn",
  ]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^PASS +fe\/2/m);
});

test("--front-end SOCKET --listen waits for a front-end that another program starts", async (t) => {
  const workspace = new Workspace(t);
  const socket = workspace.path("mine.sock");
  const running = workspace.start([
    "conform",
    "--front-end",
    socket,
    "--listen",
    "--only",
    "fe/1",
    "fe/2",
  ]);
  let isOver = false;
  const over = running.result.finally(() => (isOver = true));
  // A harness that starts its front-end again whenever that has ended.
  const harness = (async (): Promise<void> => {
    while (!isOver) await workspace.run(["bench", "block", socket, "--runtime", "60m"]);
  })();
  const { code, stdout, stderr } = await over;
  await harness;
  assert.equal(code, 0, stdout);
  assert.match(stderr, /^waiting for a front-end on .*mine\.sock; start it now$/m);
  assert.match(stdout, /^2 checks: 2 PASS$/m);
});

test("the device type that a front-end wants is inferred, or has to be named", async (t) => {
  const workspace = new Workspace(t);
  // It asks for features and waits, as the front-end of any type may.
  const script = workspace.file(
    "asks.mjs",
    `import { connect } from "node:net";
    const socket = connect(process.argv[2], () => {
      socket.write(Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0));
    });
    socket.on("close", () => process.exit());
    socket.resume();`,
  );
  const judge = async (name: string, ...more: readonly string[]) => {
    const exec = `${process.execPath} ${script} {socket} ${name}`;
    const quick = ["--only", "fe/2", "--timeout-factor", "0.2"];
    return workspace.run(["conform", "--front-end", "--exec", exec, ...quick, ...more]);
  };
  const unclear = await judge("");
  assert.equal(unclear.code, 2, unclear.stdout);
  assert.match(
    unclear.stderr,
    /the device type of the front-end is not clear; name it with --device TYPE, one of block, net, .*, or with --device MODULE$/m,
  );
  const other = await judge("vhost-user-gpio-pci");
  assert.equal(other.code, 2);
  assert.match(other.stderr, /--front-end cannot judge gpio devices: the suite plays block, net, /);
  const named = await judge("vhost-user-fs-pci");
  assert.equal(named.code, 0, named.stdout);
  assert.match(named.stderr, /^the front-end wants a device of type fs; --device names another/m);
  const given = await judge("", "--device", "net");
  assert.equal(given.code, 0, given.stdout);
  assert.doesNotMatch(given.stderr, /--device/);
});

test("a front-end of another type than --device names is named, and not judged", async (t) => {
  const workspace = new Workspace(t);
  const exec = `${process.execPath} ${commandPath} bench block {socket} --runtime 60m`;
  const words = ["conform", "--front-end", "--exec", exec, "--only", "fe/2", "--device", "net"];
  const { code, stdout, stderr } = await workspace.run(words);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /the front-end wants a device of type block, and --device net plays a net device; leave --device out, or name --device block$/m,
  );
  assert.equal(code, 2);
});

test("a front-end that ends before it connects is reported once, with its exit status and output", async (t) => {
  const workspace = new Workspace(t);
  const exec = `sh -c 'echo no such device; exit 3' {socket}`;
  const { code, stdout } = await workspace.run(["conform", "--front-end", "--exec", exec]);
  assert.equal(code, 1);
  assert.equal(stdout.match(/^FAIL /gm)?.length, 2, "once with its messages, once in the end");
  const quiet = await workspace.run(["conform", "--front-end", "--exec", exec, "-q"]);
  assert.match(quiet.stdout, /^FAIL +fe\/80 .*: the front-end does not connect: .*\n$/);
  assert.match(
    stdout,
    /the front-end does not connect\n.*\n +actual +nothing; it exited with code 3$/m,
  );
  assert.match(stdout, /│ .* the front-end exited with code 3\n +┊ no such device$/m);
  assert.match(stdout, /^stopped: the front-end sent nothing in 3 attempts; \d+ checks not made$/m);
});

test("matrix judges many targets and writes a page that leads to each exchange", async (t) => {
  const workspace = new Workspace(t);
  const faulty = `${OURS} --fault need-reply-echoed@GET_FEATURES`;
  const baseline = { check: "header/4", verdict: "WARN", reason: "on purpose" };
  workspace.file("b.json", JSON.stringify({ expectations: [baseline] }));
  const targets = [
    { name: "ours", version: "1", exec: OURS, device: "block" },
    { name: "known", exec: faulty, baseline: "b.json" },
    { name: "<absent>", exec: "no-such-program {socket}", optional: true },
  ];
  const file = workspace.file("targets.json", JSON.stringify({ targets }));
  parseDocument("matrix-targets", readFileSync(file, "utf8"));
  const out = workspace.path("out");
  const matrix = [
    "matrix",
    file,
    "--out-dir",
    out,
    "--only",
    "header/1",
    "header/4",
    "--fail-on",
    "warn",
  ];
  const { code, stdout, stderr } = await workspace.run(matrix);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^ours: 2 checks: 2 PASS$/m);
  assert.match(stdout, /^known: 2 checks: 1 PASS, 1 XFAIL$/m);
  assert.match(stdout, /^<absent>: not judged: .*no-such-program/m);
  const page = readFileSync(`${out}/index.html`, "utf8");
  assert.match(page, /<a class="v XFAIL" href="2-known\.html#header%2F4" title="on purpose">/);
  assert.ok(page.includes("&lt;absent&gt;"));
  assert.match(readFileSync(`${out}/2-known.html`, "utf8"), /id="header\/4" data-verdict="XFAIL"/);
  assert.equal(reportOf(readFileSync(`${out}/1-ours.json`, "utf8")).counts.PASS, 2);
  const dies = `sh -c 'echo the first line; echo the last line; exit 7' {socket}`;
  const alone = workspace.file(
    "one.json",
    JSON.stringify({ targets: [{ name: "d", exec: dies }] }),
  );
  const unjudged = await workspace.run(["matrix", alone, "--out-dir", out]);
  assert.equal(unjudged.code, 1);
  assert.match(unjudged.stderr, /1 of 1 target failed; not judged: d \("optional": true excuses/);
  const reason = /sh exited with code 7 before it listened.*\n +the first line\n +the last line/;
  assert.match(unjudged.stdout, reason);
  assert.match(readFileSync(`${out}/index.html`, "utf8"), reason);
  const placeless = { targets: [{ name: "p", exec: "sleep 60" }] };
  const early = await workspace.run([
    "matrix",
    workspace.file("p.json", JSON.stringify(placeless)),
    "--out-dir",
    out,
  ]);
  assert.equal(early.code, 2);
  assert.match(early.stderr, /target 1 \(p\): the command has no \{socket\}/);
  const wrong = await workspace.run(["matrix", workspace.file("x", "{}"), "--out-dir", out]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /names no targets/);
});

test("the exit status and the output of a target that dies at its first message are in the error", async (t) => {
  const workspace = new Workspace(t);
  const script = workspace.file(
    "dies.mjs",
    `import { createServer } from "node:net";
     const server = createServer((socket) => socket.once("data", () => {
       console.error("chroot(shared): No such file or directory");
       process.exitCode = 7;
       server.close();
       socket.destroy();
     }));
     server.listen(process.argv[2]);`,
  );
  const dies = `${process.execPath} ${script} {socket}`;
  const says =
    /got the end of the connection.*\n.*exited with code 7.*; its last output:\n +chroot\(shared\): No such/;
  for (const command of [["conform"], ["bench", "block"], ["stress"]]) {
    const { code, stderr } = await workspace.run([...command, "--exec", dies]);
    assert.equal(code, 3, stderr);
    assert.match(stderr, command[0] === "conform" ? says : /exited with code 7.*\n +chroot/);
  }
});

test("SIGINT prints what was done so far", async (t) => {
  const workspace = new Workspace(t);
  const running = workspace.start(["conform", "--exec", OURS, "--repeat", "50"]);
  await running.printed(/^PASS +header\/2/m);
  process.kill(running.pid, "SIGINT");
  const { code, stdout } = await running.result;
  assert.equal(code, 130);
  assert.match(stdout, /^\d+ checks: \d+ PASS/m);
});

test("a target that is not there, or both of them, or neither, is said clearly", async (t) => {
  const workspace = new Workspace(t);
  for (const [args, code, says] of [
    [[], 2, /a back-end is missing: name its SOCKET/],
    [["x.sock", "--exec", "true"], 2, /SOCKET and --exec cannot be combined/],
    [["absent.sock"], 3, /absent\.sock: no program listens there/],
    [["--exec", "no-such-program {socket}"], 4, /no-such-program/],
    [["--exec", "false {socket}"], 3, /false exited with code 1 before it listened/],
    [["--exec", "sleep 60"], 2, /the command has no \{socket\}: .*: sleep 60/],
    [["--exec", "sleep 60", "--shell"], 2, /the command has no \{socket\}/],
    [["--front-end", "--exec", "sleep 60 {qmp}"], 2, /the command has no \{socket\}/],
    [["--exec", "a 'b"], 2, /a quote is not closed/],
    [["x.sock", "--only", "no/1"], 2, /"no\/1" is not the id of a check/],
    [["x.sock", "--shard", "3/2"], 2, /"3\/2" is not a part such as 1\/4/],
    [
      ["--front-end", "x.sock"],
      2,
      /--front-end needs either --exec COMMAND.* or SOCKET and --listen/,
    ],
    [["--front-end", "--exec", "true {socket}", "--listen"], 2, /--exec and --listen cannot be/],
    [["x.sock", "--listen"], 2, /--listen needs --front-end/],
    [["--front-end", "--exec", "no-such-program {socket}"], 4, /no-such-program/],
    [["merge", "nothing.json"], 2, /nothing\.json (is not|cannot be used as) a report/],
  ] as const) {
    const got = await workspace.run(["conform", ...args]);
    assert.equal(got.code, code, `${args.join(" ")}: ${got.stderr}`);
    assert.match(got.stderr, says);
  }
});
