import { netKind } from "../../src/endpoints/devices/net/kind.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { describeFrame, readPcap } from "../../src/endpoints/devices/net/index.ts";
import { bootLinux, bootUml, Testpmd } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { needsGuest, needsProgram } from "./support/index.ts";
import { cardArguments, MAC, portStatistics } from "./support/net.ts";

guardLeaks();

/** Gets an address, prints it, and pings the server that gave it. */
const GUEST_SCRIPT = `
cat > /bin/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
echo "$ip/$mask $router $serverid $lease"
ip addr add "$ip/$mask" dev "$interface"
END
chmod +x /bin/lease
ip link set eth0 up
udhcpc -i eth0 -n -q -t 5 -T 2 -s /bin/lease 2> /tmp/udhcpc || cat /tmp/udhcpc
ping -c 5 -i 0.2 -W 2 -s 1400 -p a5 10.7.0.1 > /tmp/ping || cat /tmp/ping
grep -o '[0-9]* packets received' /tmp/ping`;

const skipTestpmd = needsProgram("dpdk-testpmd");

for (const packed of ["off", "on"]) {
  test(
    `a Linux guest gets an address by DHCP of serve net, and its pings are answered (packed=${packed})`,
    { skip: needsGuest() },
    async (t) => {
      const space = new Workspace(t);
      const socketPath = space.path("net.sock");
      const server = space.start(
        ["serve", "net", "--socket", socketPath, "--address", "10.7.0.1/16"].concat([
          "--lease",
          "10.7.3.4",
          "--pcap",
          "all.pcap",
          "--json",
        ]),
      );
      await server.printed(/listening on /);
      const result = await bootLinux({
        modules: ["virtio_pci", "virtio_net", "af_packet"],
        // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV as soon as the driver runs.
        deviceArguments: cardArguments(socketPath, {
          properties: `romfile=,vectors=0,packed=${packed}`,
        }),
        script: GUEST_SCRIPT,
      });
      t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
      assert.deepEqual(result.output.split(/\r?\n/), [
        "10.7.3.4/16 10.7.0.1 10.7.0.1 3600",
        "5 packets received",
        "",
      ]);
      const { code, stdout, stderr } = await server.stop();
      assert.equal(code, 0, stderr);
      const report = parseDocument("serve-net", stdout);
      const seen = readPcap(readFileSync(space.path("all.pcap"))).map(describeFrame);
      for (const line of seen) t.diagnostic(line);
      const count = (pattern: RegExp): number => seen.filter((line) => pattern.test(line)).length;
      assert.ok(count(/DHCP OFFER .* 10\.7\.3\.4 for 52:54:00:ab:cd:ef/) >= 1);
      assert.ok(count(/DHCP ACK/) >= 1);
      assert.deepEqual(
        [
          count(/ICMP 10\.7\.3\.4 > 10\.7\.0\.1, 1442/),
          count(/ICMP 10\.7\.0\.1 > 10\.7\.3\.4, 1442/),
        ],
        [5, 5],
      );
      assert.ok(count(new RegExp(`^${MAC} > `)) >= 8);
      assert.deepEqual(Object.keys(report), [
        "schemaVersion",
        "kind",
        "traffic",
        "sessions",
        "counters",
        "pcap",
      ]);
      assert.doesNotMatch(stderr, /problem:/);
    },
  );
}

test(
  "User Mode Linux gets an address by DHCP of serve net, and its pings are answered",
  { skip: needsProgram("linux.uml", "busybox") },
  async (t) => {
    const space = new Workspace(t);
    const socketPath = space.path("net.sock");
    const server = space.start(["serve", "net", "--socket", socketPath, "--json"]);
    await server.printed(/listening on /);
    const result = await bootUml({
      socketPath,
      deviceId: netKind.id,
      modules: ["virtio_net", "af_packet"],
      script: GUEST_SCRIPT.replaceAll("10.7.0.1", "10.0.2.1"),
    });
    t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
    assert.deepEqual(result.output.split(/\r?\n/), [
      "10.0.2.2/24 10.0.2.1 10.0.2.1 3600",
      "5 packets received",
      "",
    ]);
    const { code, stderr } = await server.stop();
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /problem:/);
  },
);

for (const flags of [[], ["--packed"], ["--no-mergeable", "--ring-mode", "poll"]]) {
  test(
    `io net ping and send work with testpmd (${flags.join(" ") || "no options"})`,
    { skip: skipTestpmd },
    async (t) => {
      const space = new Workspace(t);
      const socketPath = space.path("net.sock");
      await using testpmd = await Testpmd.start({
        socketPath,
        role: "backend",
        applicationArguments: ["--forward-mode=icmpecho"],
      });
      await testpmd.command("start");
      const ping = ["io", "net", "ping", socketPath, "192.0.2.9", "--source", "192.0.2.1"];
      const pinged = await space.run([...ping, "--count", "10", "--data-size", "1000", ...flags]);
      t.diagnostic(pinged.stdout);
      assert.equal(pinged.code, 0, pinged.stderr);
      assert.match(
        pinged.stdout,
        /^192\.0\.2\.9 is at [0-9a-f:]{17}\n1008 bytes from 192\.0\.2\.9: seq=1/,
      );
      assert.match(pinged.stdout, /10 sent, 10 received, 0 % lost\nrtt min\/avg\/max\/mdev = /);

      await testpmd.command("stop");
      await testpmd.command("set fwd rxonly");
      await testpmd.command("clear port stats all");
      await testpmd.command("start");
      const send = ["io", "net", "send", socketPath, "--count", "20000", "--frame-size", "1000"];
      const sent = await space.run([...send, ...flags]);
      assert.equal(sent.code, 0, sent.stderr);
      await testpmd.command("stop");
      const { rxFrames, rxBytes } = await portStatistics(testpmd);
      t.diagnostic(sent.stdout);
      assert.deepEqual([rxFrames, rxBytes], [20_000, 20_000_000]);

      const unanswered = await space.run([
        "io",
        "net",
        "dhcp",
        socketPath,
        "--io-timeout",
        "300ms",
      ]);
      assert.equal(unanswered.code, 1);
      assert.match(unanswered.stderr, /no DHCP server answered with OFFER within 300 ms/);
    },
  );
}
