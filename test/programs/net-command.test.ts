import { netKind } from "../../src/endpoints/devices/net/kind.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { bootUml, Testpmd } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { fullCount } from "../support/full-count.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { leaseScript } from "./support/guest/addressed-cards.ts";
import { needsProgram } from "./support/index.ts";
import { portStatistics } from "./support/net.ts";

guardLeaks();

/** Frames that `io net send` sends. */
const FRAMES = fullCount(20_000, 1000);

const skipTestpmd = needsProgram("dpdk-testpmd");

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
      script: leaseScript("eth0", "10.0.2.1"),
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
      const count = ["--count", `${FRAMES}`, "--frame-size", "1000"];
      const send = ["io", "net", "send", socketPath, ...count];
      const sent = await space.run([...send, ...flags]);
      assert.equal(sent.code, 0, sent.stderr);
      await testpmd.command("stop");
      const { rxFrames, rxBytes } = await portStatistics(testpmd);
      t.diagnostic(sent.stdout);
      assert.deepEqual([rxFrames, rxBytes], [FRAMES, 1000 * FRAMES]);

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
