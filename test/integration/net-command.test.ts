import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { readPcap, testFrame } from "../../src/endpoints/devices/net/index.ts";
import { waitUntilListening } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

/** `serve net`, and `io net` on its socket. */
async function withNet(t: TestContext, more: readonly string[] = []) {
  const space = new Workspace(t);
  const socket = space.path("net.sock");
  const server = space.start(["serve", "net", "--socket", socket, ...more]);
  await server.printed(/listening on /);
  const io = async (words: string) =>
    space.run(["io", "net", ...words.replace("SOCKET", socket).split(" ")]);
  return { space, socket, server, io };
}

interface Report {
  readonly counters: Readonly<Record<string, number>>;
  readonly [name: string]: unknown;
}

test("dhcp prints the lease, ping finds the station and gets its echoes", async (t) => {
  const { io } = await withNet(t, ["--address", "10.1.2.3/20", "--mac", "52:54:00:00:00:77"]);
  const lease = await io("dhcp SOCKET --json -q");
  assert.equal(lease.code, 0, lease.stderr);
  assert.equal(lease.stderr, "");
  const { socket: _socket, ...given } = parseDocument("io-net-dhcp", lease.stdout);
  assert.deepEqual(given, {
    schemaVersion: 1,
    kind: "io-net-dhcp",
    mac: "52:54:00:00:00:02",
    address: "10.1.2.4",
    server: "10.1.2.3",
    mask: "255.255.240.0",
    router: "10.1.2.3",
    seconds: 3600,
  });
  const text = await io("dhcp SOCKET");
  assert.match(text.stdout, /^address {2}10\.1\.2\.4\nmask {5}255\.255\.240\.0\n/);
  const ping = await io("ping SOCKET 10.1.2.3 --source 10.1.2.4 --count 3 --interval 1ms");
  assert.equal(ping.code, 0, ping.stderr);
  assert.match(
    ping.stdout,
    /^10\.1\.2\.3 is at 52:54:00:00:00:77\n64 bytes from 10\.1\.2\.3: seq=1/,
  );
  assert.match(ping.stdout, /3 sent, 3 received, 0 % lost/);
  const pinged = await io("ping SOCKET 10.1.2.3 --count 2 --interval 0 --json");
  const numbers = parseDocument("io-net-ping", pinged.stdout);
  assert.deepEqual([numbers["sent"], numbers["received"]], [2, 2]);
});

test("a ping without an answer is a failure that names the address", async (t) => {
  const { io } = await withNet(t);
  const { code, stderr } = await io("ping SOCKET 10.0.2.9 --io-timeout 100ms");
  assert.equal(code, 1);
  assert.match(stderr, /no station answered within 100 ms that it has 10\.0\.2\.9/);
});

test("the sink counts what is sent, and its pcap file has it", async (t) => {
  for (const flags of ["", " --packed --queues 2", " --no-mergeable --ring-mode poll"]) {
    const { space, server, io } = await withNet(
      t,
      "--traffic sink --queues 2 --json --pcap all.pcap".split(" "),
    );
    const sent = await io(
      `send SOCKET --count 500 --frame-size 300 --to 52:54:00:00:00:99${flags}`,
    );
    assert.equal(sent.code, 0, sent.stderr);
    assert.match(sent.stdout, /^500 frames, 146\.48 KiB sent in /);
    const { code, stdout } = await server.stop();
    assert.equal(code, 0);
    const { counters } = parseDocument<Report>("serve-net", stdout);
    assert.deepEqual([counters["txFrames"], counters["txBytes"]], [500, 150_000]);
    const frames = readPcap(readFileSync(space.path("all.pcap")));
    const [to, from] = ["525400000099", "525400000002"].map((hex) => Buffer.from(hex, "hex"));
    assert.ok(to && from);
    const expected = Array.from({ length: 500 }, (_, i) => testFrame(i, 300, from, to));
    const number = (frame: Uint8Array): number => Buffer.from(frame).readUInt32BE(14);
    // Pairs may overtake each other.
    const sorted = frames.toSorted((a, b) => number(a) - number(b));
    assert.ok(sorted.every((frame, i) => Buffer.compare(frame, expected[i] ?? frame) === 0));
    assert.equal(sorted.length, 500);
  }
});

test("receive prints a line for each frame of a source and keeps them; the file can be sent", async (t) => {
  // Of which the receiver uses one: the other pairs get nothing, and delay nothing.
  const offered = ["--traffic", "source", "--frame-size", "100", "--queues", "4"];
  const { space, io } = await withNet(t, offered);
  const many = await io("receive SOCKET --count 300 --json");
  assert.equal(many.code, 0, many.stderr);
  const got = await io(`receive SOCKET --count 20 --pcap ${space.path("got.pcap")}`);
  assert.equal(got.code, 0, got.stderr);
  const lines = got.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 20);
  for (const line of lines)
    assert.equal(line, "52:54:00:00:00:01 > ff:ff:ff:ff:ff:ff type 0x88b5, 100 bytes");
  assert.equal(readPcap(readFileSync(space.path("got.pcap"))).length, 20);
  const again = await io(`receive SOCKET --count 1 --pcap ${space.path("got.pcap")}`);
  assert.deepEqual([again.code, /it was not changed/.test(again.stderr)], [2, true]);
  await space.run(["io", "net", "receive", space.path("absent.sock"), "--pcap", "new.pcap"]);
  assert.equal(existsSync(space.path("new.pcap")), false, "no back-end was there: no file is made");
  const sent = await io(`send SOCKET --in ${space.path("got.pcap")} --count 3 --json`);
  assert.equal(parseDocument("io-net-send", sent.stdout)["frames"], 60);
  const timed = await io("receive SOCKET --runtime 100ms --json");
  assert.equal(timed.code, 0);
  const { counters } = parseDocument<Report>("io-net-receive", timed.stdout);
  assert.ok((counters["rxFrames"] ?? 0) > 0);
});

test("a front-end that listens is served by a back-end that connects; -v shows what passes", async (t) => {
  const space = new Workspace(t);
  const socket = space.path("front.sock");
  const ping = space.start(
    ["io", "net", "ping", socket, "--listen", "--count", "1", "-v"].concat(["--timeout", "20s"]),
  );
  await waitUntilListening(socket, {});
  const server = space.start(["serve", "net", "--connect", socket, "-v"]);
  const { code, stderr } = await ping.result;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /> VHOST_USER_SET_VRING_KICK/);
  assert.match(stderr, /< 52:54:00:00:00:01 > 52:54:00:00:00:02 ICMP 10\.0\.2\.1 > 10\.0\.2\.2/);
  const served = (await server.stop()).stderr.trimEnd().split("\n");
  const untimed = served.filter((line) => !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S/.test(line));
  assert.deepEqual(untimed, [], "every line of serve -v begins with the time");
  assert.match(served[0] ?? "", /Z connecting to /);
});

test("an interrupted receive ends with 130; a server that goes away makes it fail", async (t) => {
  const { space, socket, server } = await withNet(t, ["--traffic", "source", "--rate", "1000"]);
  const interrupted = space.start(["io", "net", "receive", socket]);
  await interrupted.printed(/type 0x88b5/);
  assert.equal((await interrupted.stop("SIGINT")).code, 130);
  const waiting = space.start(["io", "net", "receive", socket]);
  await waiting.printed(/type 0x88b5/);
  assert.equal((await server.stop()).code, 0);
  const { code, stderr } = await waiting.result;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /the peer closed the connection/);
});

test("wrong usage is reported before anything is started", async (t) => {
  const space = new Workspace(t);
  const refused: readonly (readonly [string, RegExp])[] = [
    ["serve net", /there is no socket to serve: give --socket PATH/],
    ["serve net --socket s --address 10.0.2.1/33", /the prefix length must be 1 to 30/],
    ["serve net --socket s --lease 10.9.9.9", /the lease must be an address of 10\.0\.2\.1\/24/],
    ["serve net --socket s --mac x", /is not a MAC address such as/],
    ["serve net --socket s --traffic bridge", /is not one of respond, echo, sink, source/],
    [
      "serve net --socket s --pcap /nonesuch/a.pcap",
      /\/nonesuch\/a\.pcap cannot be used as an output file/,
    ],
    ["io net ping s 10.0.0", /is not an IPv4 address such as/],
    ["io net send s --in none.pcap", /none\.pcap cannot be used as a pcap file/],
    ["io net send s --in empty", /classic pcap format/],
    ["io net send s --to 1:2", /is not a MAC address such as/],
    ["io net send s --frame-size 17", /"17" is not a whole number from 18/],
  ];
  writeFileSync(space.path("empty"), "");
  for (const [words, message] of refused) {
    const { code, stderr } = await space.run(words.split(" "));
    assert.deepEqual([code, stderr], [2, stderr.match(message) ? stderr : `${message}`], words);
  }
});
