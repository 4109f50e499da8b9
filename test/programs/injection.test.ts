import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { TimeoutError } from "../../src/core/base/index.ts";
import { FaultInjector, parseInjection } from "../../src/lab/injection/index.ts";
import {
  bootedExitCode,
  bootFirmware,
  bootSector,
  ManagedProcess,
  startStorageDaemon,
} from "../../src/lab/programs/index.ts";
import { RingSignals, SessionHints, type TraceEvent, Tracer } from "../../src/lab/trace/index.ts";
import { Relay } from "../../src/lab/wire/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { until } from "../support/until.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("qemu-system-x86_64") || needsProgram("qemu-storage-daemon");
/** A guest that hangs does so for ever; one that does not boots within this time. */
const HANGS_MS = 6000;

/** A disk of qemu-storage-daemon that boots, behind a fault. */
async function faultyDisk(t: TestContext, text: string) {
  const directory = temporaryDirectory(t);
  const connect = join(directory, "disk.sock");
  const imagePath = diskImage(directory, 1 << 20, Buffer.from(bootSector("booted")));
  const daemon = await startStorageDaemon({ imagePath, socketPath: connect, writable: true });
  const events: TraceEvent[] = [];
  const made: { relay?: Relay } = {};
  const fault = new FaultInjector(parseInjection(text), {
    disconnect: (session) => {
      for (const each of made.relay?.sessions ?? []) if (each.number === session) each.close();
    },
    kill: () => false,
  });
  const collect = { event: (event: TraceEvent) => void events.push(event) };
  const hints = new SessionHints();
  const signals = new RingSignals({
    decide: (signal) => fault.signal({ type: "ring-signal", us: 0, ...signal }).fate,
  });
  const tracer: Tracer = new Tracer({
    consumers: [collect, hints, fault],
    interceptors: [fault],
    signals: fault.injection.isOfSignals ? signals : undefined,
  });
  const socketPath = join(directory, "trace.sock");
  const relay = await Relay.start({
    frontend: { listen: socketPath },
    backend: { connect },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  made.relay = relay;
  t.after(async () => {
    for (const session of made.relay?.sessions ?? []) await session.closed;
    relay.close();
    signals.close();
    tracer.close();
    fault.close();
    await daemon.stop();
  });
  /** Waits until a ring runs, and ends the session. */
  const endOnceItRuns = async (): Promise<void> => {
    const isOn = (event: TraceEvent): boolean =>
      event.type === "message" && event.request === "VHOST_USER_SET_VRING_ENABLE";
    await until(() => events.some(isOn), "a ring that is enabled", 60_000);
    for (const session of relay.sessions) {
      session.close();
      await session.closed;
    }
  };
  return { socketPath, events, fault, endOnceItRuns, found: () => hints.found };
}

for (const text of ["SET_VRING_KICK:drop", "kick:drop:when=2+", "ADD_MEM_REG:swap-fd"]) {
  test(`a guest of QEMU on qemu-storage-daemon hangs with ${text}`, { skip }, async (t) => {
    const { socketPath, fault } = await faultyDisk(t, text);
    await assert.rejects(bootFirmware({ socketPath, timeoutMs: HANGS_MS }), TimeoutError);
    assert.ok(fault.times > 0);
  });
}

test("private memory of QEMU is found from the trace", { skip }, async (t) => {
  const { socketPath, found, endOnceItRuns } = await faultyDisk(t, "SEND_RARP:drop");
  await using _qemu = await ManagedProcess.spawn("qemu-system-x86_64", [
    "-nodefaults",
    "-display",
    "none",
    "-accel",
    "tcg",
    "-m",
    "64M",
    "-machine",
    "q35,memory-backend=m",
    "-object",
    "memory-backend-memfd,id=m,size=64M,share=off",
    "-chardev",
    `socket,id=d,path=${socketPath}`,
    "-device",
    "vhost-user-blk-pci,chardev=d,bootindex=0",
  ]);
  await endOnceItRuns();
  const [hint, ...more] = found();
  assert.match(hint?.text ?? "", /is share=on missing\?/);
  assert.deepEqual(more, []);
});

test("shared memory of QEMU gives no hint", { skip }, async (t) => {
  const { socketPath, found, events } = await faultyDisk(t, "SEND_RARP:drop");
  const { message } = await bootFirmware({ socketPath, timeoutMs: 60_000 });
  assert.equal(message, "booted");
  await until(() => events.some(({ type }) => type === "closed"), "the end of the session");
  assert.deepEqual(found(), []);
});

test(
  "QEMU connects again when its session ends while it starts, and boots",
  { skip },
  async (t) => {
    const { socketPath, events, fault } = await faultyDisk(t, "GET_CONFIG:disconnect:when=1");
    const { message, exitCode } = await bootFirmware({ socketPath, timeoutMs: 60_000 });
    assert.deepEqual([message, exitCode, fault.times], ["booted", bootedExitCode, 1]);
    assert.equal(events.filter(({ type }) => type === "opened").length, 2);
  },
);

test("a guest boots with kicks that come late", { skip }, async (t) => {
  const { socketPath, fault } = await faultyDisk(t, "kick:delay=20ms");
  const { message } = await bootFirmware({ socketPath, timeoutMs: 60_000 });
  assert.equal(message, "booted");
  assert.ok(fault.times > 0);
});

test("a reply that comes later only takes longer", { skip }, async (t) => {
  const { socketPath, events } = await faultyDisk(t, "GET_CONFIG reply:delay=50ms");
  const { message } = await bootFirmware({ socketPath, timeoutMs: 60_000 });
  assert.equal(message, "booted");
  assert.ok(events.some((event) => event.type === "action" && /delayed/.test(event.action)));
});
