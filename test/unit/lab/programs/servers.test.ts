import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import {
  installLines,
  parseDistribution,
} from "../../../../src/lab/programs/process/distribution.ts";
import { serverDefaults, splitWords } from "../../../../src/lab/programs/index.ts";
import { kvmVerdict } from "../../../../src/lab/programs/machine/kvm.ts";
import { longModeSector } from "../../../../src/lab/programs/machine/kvm-sector.ts";
import { parsePidFile, pidFileText } from "../../../../src/lab/programs/ledger/pid-file.ts";
import {
  checkServerOptions,
  serverArguments,
  serverId,
  shellWords,
} from "../../../../src/lab/programs/server/server-options.ts";

const identity = {
  pid: 4711,
  startTime: "401226",
  bootId: "51aad14a-7fb9-489d-b731-e183426336f4",
};

test("a pid file has the pid alone on line 1, start time and boot id on line 2, the owner on line 3", () => {
  const text = pidFileText(identity, "/checkout");
  const older = "4711\n401226 51aad14a-7fb9-489d-b731-e183426336f4\n";
  assert.equal(text, `${older}owner /checkout\n`);
  assert.deepEqual(parsePidFile(text), { process: identity, owner: "/checkout" });
  assert.equal(pidFileText(identity, null), older);
  assert.deepEqual(parsePidFile(older), { process: identity, owner: null });
});

test("a pid file without a whole line 2 or with half a line 3 names no process", () => {
  const whole = pidFileText(identity, "/checkout");
  const wrong = [
    "",
    "4711",
    "4711\n",
    "4711\n401226\n",
    whole.replace("owner /checkout", "owner "),
    whole.replace("owner /checkout", "/checkout"),
    whole.slice(0, -1),
    `${whole}x`,
    `x${whole}`,
  ];
  for (const text of [...wrong, whole.replace("4711", "0"), whole.replace("4711", "-1")]) {
    assert.equal(parsePidFile(text), undefined, JSON.stringify(text));
  }
});

test("words are split as a shell would, and joined so that it splits them again", () => {
  const words = ["-name", "a b", "", "it's", 'say "x"', "back\\slash", "$HOME", "two\nlines"];
  assert.deepEqual(splitWords(shellWords(words)), words);
  assert.deepEqual(splitWords(String.raw` a\ b 'c'"d e"f "\"" `), ["a b", "cd ef", '"']);
  assert.deepEqual(splitWords("  "), []);
  for (const text of ["'", 'a "b', "x \\"]) assert.throws(() => splitWords(text), UsageError);
});

test("KVM is usable within a second and three times the time of TCG", () => {
  assert.equal(kvmVerdict(140, 420).usable, true);
  assert.equal(kvmVerdict(140, 421).usable, false);
  assert.equal(kvmVerdict(900, 1001).usable, false);
  assert.equal(kvmVerdict(140, undefined).usable, false);
  assert.equal(kvmVerdict(undefined, 10).usable, false);
  assert.match(
    kvmVerdict(140, undefined).reason,
    /did not end within 1000 ms under KVM \(TCG: 140 ms\)/,
  );
});

test("the sector that tries KVM is bootable and loads its tables from its own end", () => {
  const sector = longModeSector();
  assert.equal(sector.length, 512);
  assert.deepEqual([...sector.subarray(510)], [0x55, 0xaa]);
  const lgdt = Buffer.from(sector).indexOf(Buffer.from([0x0f, 0x01, 0x16]));
  const view = new DataView(sector.buffer);
  const pointer = view.getUint16(lgdt + 3, true) - 0x7c00;
  assert.equal(view.getUint16(pointer, true), 15, "two descriptors");
  const table = view.getUint32(pointer + 2, true) - 0x7c00;
  // The code segment: present, code, L set and D clear.
  assert.deepEqual([...sector.subarray(table + 8, table + 16)], [255, 255, 0, 0, 0, 0x9a, 0xaf, 0]);
});

test("distributions are known by themselves and by what they are like", () => {
  assert.equal(parseDistribution("ID=debian\n"), "debian");
  assert.equal(parseDistribution('NAME="x"\nID=linuxmint\nID_LIKE="ubuntu debian"\n'), "debian");
  assert.equal(parseDistribution("ID=fedora\n"), "fedora");
  assert.equal(parseDistribution('ID="centos"\nID_LIKE="rhel fedora"\n'), "centos");
  assert.equal(parseDistribution('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), "centos");
  assert.equal(parseDistribution("ID=arch\n"), undefined);
});

test("the running distribution's line comes first, and every one has a line", () => {
  const packages = { debian: "a b", fedora: "c", centos: "epel:d" };
  assert.deepEqual(installLines(packages, "centos"), [
    {
      distribution: "centos",
      command: "sudo dnf install -y epel-release && sudo dnf install -y d",
    },
    { distribution: "debian", command: "sudo apt-get install -y a b" },
    { distribution: "fedora", command: "sudo dnf install -y c" },
  ]);
  const [first] = installLines({ ...packages, debian: undefined }, undefined);
  assert.deepEqual(first, { distribution: "debian", command: undefined });
});

test("a server's options are made absolute, and what cannot be is refused", () => {
  const { socket, pidFile } = checkServerOptions({ ...serverDefaults, socket: "s", pidFile: "p" });
  assert.equal(socket, `${process.cwd()}/s`);
  assert.equal(pidFile, `${process.cwd()}/p`);
  const wrong = [
    { socket: `/${"x".repeat(107)}` },
    { memory: 1 },
    { memory: 2 ** 20 + 1 },
    { image: "/disk" },
    { log: serverDefaults.pidFile },
  ];
  for (const change of wrong) {
    assert.throws(() => checkServerOptions({ ...serverDefaults, ...change }), UsageError);
  }
  assert.equal(serverId("s"), serverId(socket));
  assert.match(serverId(socket), /^qemu-[0-9a-f]{16}$/);
});

test("a block server's arguments are those of the storage daemon, a net server's QEMU's", () => {
  const block = { ...serverDefaults, kind: "block" as const, extraArguments: ["-x"] };
  const words = serverArguments(block, undefined, "/disk").join(" ");
  assert.match(words, /filename=\/disk,.*addr\.path=\/tmp\/vhost-user-test-sock,.* -x$/);
  const net = serverArguments(serverDefaults, "kvm", "").join(" ");
  assert.match(net, /-accel kvm .*-m 512M .*server=on.*-netdev vhost-user,/);
});
