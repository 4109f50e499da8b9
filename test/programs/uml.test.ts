import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { TimeoutError } from "../../src/core/base/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { parseMac } from "../../src/endpoints/devices/net/index.ts";
import { bootUml } from "../../src/lab/programs/index.ts";
import { Capture, parseCapture } from "../../src/lab/wire/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { growingDisk, resizeScript } from "./support/guest/changing-disks.ts";
import { diskImage, needsProgram, sha256OfFile, temporaryDirectory } from "./support/index.ts";
import { MAC, serveNet } from "./support/net.ts";
import { until } from "../support/until.ts";

guardLeaks();

const skip = needsProgram("linux.uml", "busybox");
const CAPTURE = "uml-6.1-blk--vhost-user.jsonl";

test(
  "a User Mode Linux reads and writes our disk, and both see the same bytes",
  { skip },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, 16 << 20, Buffer.from("as we wrote it\n"));
    const untouched = sha256OfFile(imagePath);
    const storage = BlockStorage.open(imagePath);
    t.after(() => storage.close());
    const problems: string[] = [];
    const lines: string[] = [];
    const capture = new Capture((line) => lines.push(line));
    const server = await BackendServer.listen(socketPath, {
      device: () => new BlockDevice({ storage }),
      onProblem: ({ message }) => problems.push(message),
      observe: (way, frame) => capture.record(way === "sent" ? "back-end" : "front-end", frame),
    });
    t.after(() => server.close());
    const result = await bootUml({
      socketPath,
      deviceId: 2,
      script: `
      head -n 1 /dev/vda
      sha256sum /dev/vda | cut -d ' ' -f 1
      yes 'vhost-user' | dd of=/dev/vda bs=64k seek=16 count=64 iflag=fullblock conv=fsync 2>/dev/null
      echo 3 > /proc/sys/vm/drop_caches
      sha256sum /dev/vda | cut -d ' ' -f 1
      exit 7`,
    });
    t.diagnostic(`it took ${Math.round(result.durationMs)} ms, ${lines.length} messages`);
    const now = sha256OfFile(imagePath);
    assert.notEqual(now, untouched);
    assert.deepEqual(result.output.split("\n"), ["as we wrote it", untouched, now, ""]);
    assert.equal(result.exitCode, 7);
    assert.deepEqual(problems, []);
    // The recorded conversation is still the one they have: requests and replies in that order.
    const recorded = readFileSync(join(packageRoot, "test/fixtures/captures", CAPTURE), "utf8");
    const order = (text: string): string[] =>
      parseCapture(text).map(({ from, header }) => `${from} ${header.request}`);
    assert.deepEqual(order(lines.join("")).slice(0, 30), order(recorded).slice(0, 30));
  },
);

test("a User Mode Linux has our network card, and frames pass both ways", { skip }, async (t) => {
  const backend = await serveNet(t, {
    onFrame: () => void backend.net.send(new Uint8Array(60).fill(0xff)),
  });
  const { net, problems, socketPath } = backend;
  const result = await bootUml({
    socketPath,
    deviceId: 1,
    script: `
      ip link set eth0 up
      ip addr add 10.9.0.2/24 dev eth0
      ping -c 2 -W 1 10.9.0.1 > /dev/null
      cat /sys/class/net/eth0/statistics/tx_packets /sys/class/net/eth0/statistics/rx_packets`,
  });
  const [sent = 0, received = 0] = result.output.split("\n").map(Number);
  t.diagnostic(`it sent ${sent} frames and received ${received}`);
  assert.ok(sent > 0 && net.counters.txFrames >= sent);
  assert.ok(received > 0 && net.counters.rxFrames >= received);
  assert.deepEqual(problems, []);
});

test(
  "a User Mode Linux leaves control queue and configuration to our device",
  { skip },
  async (t) => {
    const station = "02:00:00:00:00:07";
    const config = (): string => {
      const bytes = new Uint8Array(12);
      backend.net.capabilities.config?.read(0, bytes);
      return Buffer.from(bytes).toString("hex");
    };
    const configs: string[] = [];
    const delivered: string[] = [];
    const backend = await serveNet(t, {
      queuePairs: 2,
      control: { mac: MAC },
      // What it wants of us is looked at with every frame that it sends.
      onFrame: () => {
        configs.push(config());
        const passing = [MAC, station, "01:00:5e:00:00:fb", "ff:ff:ff:ff:ff:ff"].filter((mac) =>
          backend.net.send(Buffer.concat([parseMac(mac), Buffer.alloc(54)])),
        );
        delivered.push(passing.join(" "));
      },
    });
    const { net, problems, socketPath } = backend;
    const result = await bootUml({
      socketPath,
      deviceId: 1,
      script: `
        cat /sys/class/net/eth0/address
        ip addr add 10.9.0.2/24 dev eth0
        ip link set eth0 up
        ping -c 2 -W 1 10.9.0.1 > /dev/null
        ip link set eth0 promisc on
        ping -c 2 -W 1 10.9.0.1 > /dev/null
        ip link set eth0 promisc off
        ip link set eth0 address ${station}
        ping -c 2 -W 1 10.9.0.1 > /dev/null
        cat /sys/class/net/eth0/address /sys/class/net/eth0/carrier
        dmesg | grep -i "fail.*\\(queue pairs\\|mac\\|promisc\\|multi\\)"`,
    });
    t.diagnostic(result.output);
    const [first, second, carrier, ...rest] = result.output.trim().split("\n");
    // Address and link come from the configuration.
    assert.deepEqual([first, second, carrier], [MAC, station, "1"]);
    assert.deepEqual(rest, [], "no command failed, the number of pairs among them");
    // Its own address, broadcast, and the groups that it is in; everything while it is promiscuous.
    const own = `${MAC} ff:ff:ff:ff:ff:ff`;
    const seen = [...new Set(delivered)];
    t.diagnostic(seen.join("; "));
    assert.ok(seen.includes(own), "filtered");
    assert.ok(
      seen.includes(`${MAC} ${station} 01:00:5e:00:00:fb ff:ff:ff:ff:ff:ff`),
      "promiscuous",
    );
    assert.equal(delivered.at(-1), `${station} ff:ff:ff:ff:ff:ff`);
    assert.equal(configs.at(-1)?.slice(0, 12), station.replaceAll(":", ""));
    assert.ok(net.counters.rxFiltered > 0);
    assert.deepEqual(problems, []);
  },
);

test("a User Mode Linux sees that its disk grew, and uses what was added", { skip }, async (t) => {
  const { socket, grow, verify } = await growingDisk(t);
  const guest = bootUml({ socketPath: socket, deviceId: 2, script: resizeScript("vda") });
  await grow();
  const { output, console } = await guest;
  await verify(output, console, "User Mode Linux 6.1");
});

test(
  "a User Mode Linux that is not done in time is ended with its helpers",
  { skip },
  async (t) => {
    const { net, socketPath } = await serveNet(t);
    await assert.rejects(
      bootUml({
        socketPath,
        deviceId: 1,
        script: "ip link set eth0 up; sleep 1000",
        timeoutMs: 5000,
      }),
      TimeoutError,
    );
    assert.ok(net.counters.txFrames >= 0);
    // Helpers would hold the connection open.
    await until(() => backendIsAlone(socketPath), "the connection to end");
  },
);

/** No client is connected to the socket. */
function backendIsAlone(socketPath: string): boolean {
  const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
  return lines.filter((line) => line.endsWith(` ${socketPath}`)).length === 1;
}
