import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { blockDeviceArguments, MigratableGuest } from "../../../src/lab/programs/index.ts";

export const SIZE = 16 << 20;
/** What the disk writes into a buffer of the guest while it is migrated: 4 MiB from 8 MiB on. */
const HELD = { start: 8 << 20, length: 4 << 20 };
/** The sector by which the guest learns the test's progress. */
export const CONTROL = SIZE - 4096;
/** Where the guest writes all the time: 64 KiB blocks. */
export const BLOCK = 65_536;
export const WRITTEN = { start: 0, blocks: 16 };

/**
 * A shell writes and reads back without its page cache until it is stopped. In each round a dd with a
 * buffer of 4 MiB waits with it at a pipe: in the middle of the migration it fills the buffer again, by
 * the disk alone, no processor having touched it; what is in it is summed up afterwards.
 */
function scriptOf(rounds: number): string {
  const steps = Array.from({ length: rounds }, (_, i) => `round ${2 * i + 1} ${2 * i + 2}`);
  return `
  control() { dd if=/dev/vda bs=4096 skip=${CONTROL / 4096} count=1 iflag=direct 2>/dev/null | head -c 1; }
  await() { while [ "$(control)" != "$1" ]; do usleep 100000; done; }
  (
    i=0; bad=0
    while [ ! -e /tmp/stop ]; do
      i=$((i + 1))
      yes "block $i" | head -c ${BLOCK} > /tmp/block
      at=$((i % ${WRITTEN.blocks}))
      dd if=/tmp/block of=/dev/vda bs=${BLOCK} seek=$at oflag=direct conv=notrunc 2>/dev/null || bad=$((bad + 1))
      dd if=/dev/vda of=/tmp/back bs=${BLOCK} skip=$at count=1 iflag=direct 2>/dev/null || bad=$((bad + 1))
      cmp /tmp/block /tmp/back || bad=$((bad + 1))
      echo "written $i bad $bad"
    done
    echo "last $i bad $bad"
  ) &
  round() {
    mkfifo /tmp/pipe$1
    dd if=/dev/vda bs=${HELD.length} skip=${HELD.start / HELD.length - 1} count=2 iflag=direct 2>/dev/null > /tmp/pipe$1 &
    exec 8</tmp/pipe$1
    await $1
    dd bs=65536 count=${HELD.length / 65536} iflag=fullblock <&8 2>/dev/null > /dev/null
    dd bs=65536 count=1 iflag=fullblock <&8 2>/dev/null > /tmp/begin
    echo "held $1"
    await $2
    cat /tmp/begin - <&8 | sha256sum
    exec 8<&-
  }
  ${steps.join("\n  ")}
  touch /tmp/stop
  wait
`;
}

/** Too little to converge while the guest writes; then enough. */
export const SLOW = { "max-bandwidth": 16 << 20, "downtime-limit": 1 };
const FAST = { "max-bandwidth": 2 ** 30, "downtime-limit": 5000 };

/** What the guest prints where it was moved to. */
export const GOES_ON = /(?:written \d+ bad \d+\s+){20}/;

/** What sha256sum prints. */
export const SUM = /([0-9a-f]{64})/;

/** What QEMU is given for a disk at this socket. */
export const diskAt = (socket: string): string[] => blockDeviceArguments(socket, "num-queues=1");

/** Boots a guest that writes all the time, and is moved that often. */
export async function bootWritingGuest(socket: string, moves: number): Promise<MigratableGuest> {
  const guest = await MigratableGuest.boot({
    script: scriptOf(moves),
    modules: ["virtio_pci", "virtio_blk"],
    deviceArguments: diskAt(socket),
  });
  try {
    await guest.printed(/written 3 bad/);
    return guest;
  } catch (error) {
    await guest[Symbol.asyncDispose]();
    throw error;
  }
}

interface Moved {
  /** Of the buffer that was filled during the migration. */
  readonly heldSum: string;
  /** Blocks written before the hand-over. */
  readonly before: number;
  /** Milliseconds. */
  readonly downtime: number;
}

/** Moves the guest once all of its memory has gone over; the buffer is filled meanwhile. */
export async function moveByPrecopy(
  guest: MigratableGuest,
  to: MigratableGuest,
  image: string,
): Promise<Moved> {
  await guest.migrateTo(to, SLOW);
  // All of the memory has gone over once: what is read from now on is known from the log alone.
  await guest.migration(({ ram }) => (ram?.["dirty-sync-count"] ?? 0) >= 2);
  signalGuest(image, 1);
  await guest.printed(/held 1/);
  await guest.setParameters(FAST);
  const { downtime = 0 } = await guest.migration(({ status }) => status === "completed");
  const before = lastWritten(guest);
  await guest[Symbol.asyncDispose]();
  await to.printed(GOES_ON);
  signalGuest(image, 2);
  const [, heldSum = ""] = await to.printed(SUM);
  return { heldSum, before, downtime };
}

/** Writes into the sector that the guest looks at. */
export function signalGuest(image: string, step: number): void {
  const fd = openSync(image, "r+");
  writeSync(fd, `${step}`, CONTROL);
  closeSync(fd);
}

export function lastWritten(guest: MigratableGuest): number {
  return Number([...guest.machine.output.matchAll(/written (\d+) bad/g)].at(-1)?.[1] ?? 0);
}

export function sumOfHeld(content: Uint8Array): string {
  const { start, length } = HELD;
  return createHash("sha256")
    .update(content.subarray(start, start + length))
    .digest("hex");
}
