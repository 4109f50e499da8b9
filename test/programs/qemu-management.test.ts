import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { test } from "node:test";
import { runs, ServerSpace } from "../integration/support/servers.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram } from "./support/index.ts";
import { until } from "../support/until.ts";

guardLeaks();

const skipNet = needsProgram("qemu-system-x86_64");
const skipBlock = needsProgram("qemu-storage-daemon");

test("QEMU is started, described, restarted and stopped", { skip: skipNet }, async (t) => {
  const space = new ServerSpace(t);
  const pid = await space.started();
  assert.match(readlinkSync(`/proc/${pid}/exe`), /\/qemu-system-x86_64$/);
  assert.ok(lstatSync(space.socket).isSocket());
  const status = await space.status();
  assert.equal(status.mode, "listening");
  assert.match(status.commandLine ?? "", / -accel tcg .* -m 512M .* -netdev vhost-user,/);
  const printed = await space.qemu("status");
  assert.match(printed.stdout, /\n {2}.*QEMU waiting for connection on: disconnected:unix:/);
  const restarted = await space.qemu("restart --memory 64M");
  assert.match(restarted.stdout, /^restarted: /, restarted.stderr);
  assert.equal(runs(pid), false);
  const stopped = await space.qemu("stop");
  assert.match(stopped.stdout, /^stopped: pid \d+\n/);
  space.assertNothingLeft();
});

test("QEMU that listens is a front-end to our probe", { skip: skipNet }, async (t) => {
  const space = new ServerSpace(t);
  await space.started("--memory 64M");
  const probe = await space.command(["probe", space.socket, "--json"]).result;
  assert.equal((JSON.parse(probe.stdout) as { role: string }).role, "front-end", probe.stderr);
  await space.qemu("stop");
  space.assertNothingLeft();
});

test(
  "the storage daemon exports a sparse file that stop removes",
  { skip: skipBlock },
  async (t) => {
    const space = new ServerSpace(t);
    const pid = await space.started("--kind block");
    assert.match(readlinkSync(`/proc/${pid}/exe`), /\/qemu-storage-daemon$/);
    const image = statSync(`${space.socket}.img`);
    assert.equal(image.size, 64 << 20);
    assert.equal(image.blocks, 0);
    const status = await space.status();
    assert.equal(status.server, "block");
    assert.equal(status.accelerator, null);
    const io = await space.command(["io", "block", "id", space.socket]).result;
    assert.equal(io.code, 0, io.stderr);
    await space.qemu("stop");
    space.assertNothingLeft();
  },
);

test(
  "the storage daemon exports an image of the user's, which stop leaves",
  { skip: skipBlock },
  async (t) => {
    const space = new ServerSpace(t);
    const image = diskImage(space.folder, 1 << 20, Buffer.from("precious"));
    await space.started(`--kind block --image ${image}`);
    await space.qemu("stop");
    assert.equal(readFileSync(image).toString("latin1", 0, 8), "precious");
    space.assertNothingLeft();
  },
);

test(
  "QEMU that refuses its arguments is quoted, and nothing stays",
  { skip: skipNet },
  async (t) => {
    const space = new ServerSpace(t);
    const { code, stderr } = await space.qemu("start -- -nosuch");
    assert.equal(code, 1);
    assert.match(
      stderr,
      /before it listened on .*\n {2}qemu-system-x86_64: -nosuch: invalid option\n$/,
    );
    space.assertNothingLeft();
  },
);

test(
  "QEMU killed from outside leaves nothing after the next stop",
  { skip: skipNet },
  async (t) => {
    const space = new ServerSpace(t);
    const pid = await space.started("--memory 64M");
    process.kill(pid, "SIGKILL");
    await until(() => !runs(pid));
    assert.ok(existsSync(space.socket), "QEMU leaves its socket behind");
    assert.equal((await space.qemu("status")).code, 1);
    const stop = await space.qemu("stop");
    assert.match(stop.stdout, /^it did not run any more; what it left was cleared\n/);
    space.assertNothingLeft();
  },
);

test("two starts at once start one QEMU", { skip: skipNet }, async (t) => {
  const space = new ServerSpace(t);
  const both = await Promise.all([space.qemu("start"), space.qemu("start")]);
  const words = both.map(({ stdout }) => stdout.split(":")[0] ?? "").sort();
  assert.deepEqual(words, ["already running", "started"]);
  assert.equal(space.survivors().length, 1);
  await space.qemu("stop");
  space.assertNothingLeft();
});

const instants: Readonly<Record<string, (space: ServerSpace) => boolean>> = {
  "when its record exists": (space) => space.hasRecord,
  "when the pid file exists": (space) => existsSync(space.pidFile),
  "when the socket exists": (space) => existsSync(space.socket),
};
for (const [name, reached] of Object.entries(instants)) {
  test(
    `a start of QEMU that gets SIGINT ${name} leaves nothing, or has completed`,
    { skip: skipNet },
    async (t) => {
      const space = new ServerSpace(t);
      const start = space.startQemu("start --memory 64M");
      await until(() => reached(space));
      const { code, stdout } = await start.stop("SIGINT");
      if (code === 0) {
        assert.match(stdout, /^started: /);
        await space.qemu("stop");
      } else assert.equal(code, 130);
      space.assertNothingLeft();
    },
  );
}
