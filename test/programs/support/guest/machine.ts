import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { bootLinux } from "../../../../src/lab/programs/index.ts";

/** What a part of the machine's script printed, and how it ended. */
export interface Printed {
  readonly output: string;
  readonly exitCode: number;
  /** The kernel's console, of the whole machine. */
  readonly console: string;
}

/**
 * One or a few devices of a machine that several tests share: booting takes longer than most of what
 * they do.
 */
export interface Part {
  /** The test, as a sentence. */
  readonly name: string;
  readonly modules: readonly string[];
  /** QEMU's arguments. Places on the bus are added, and names need not differ from other parts'. */
  readonly deviceArguments: readonly string[];
  /**
   * Run by a shell of its own when the parts before it are done. `$PCI` has the addresses of its devices,
   * `disk ADDRESS` and `card ADDRESS` print what the guest calls one.
   */
  readonly script: string;
  /** What the host does while the guest runs. */
  readonly beside?: () => Promise<void>;
  /** Looks at what was printed, once the machine is off. */
  readonly verify: (t: TestContext, printed: Printed) => Promise<void> | void;
}

/** A part that needs more than a guest. */
export interface Planned {
  readonly name: string;
  readonly skip?: string | false;
  readonly make: (t: TestContext, name: string) => Promise<Part> | Part;
}

const CPUS = 4;
/** Of one part; nothing else ends a guest's command that hangs. */
const PART_SECONDS = 120;
const HELPERS = `
disk() { ls /sys/bus/pci/devices/$1/virtio*/block; }
card() { ls /sys/bus/pci/devices/$1/virtio*/net; }`;

/** Boots Linux once with the devices of all parts; each part is a subtest. */
export async function bootParts(t: TestContext, planned: readonly Planned[]): Promise<void> {
  const wanted = planned.filter(({ skip }) => skip === undefined || skip === false);
  const parts: Part[] = [];
  for (const { make, name } of wanted) parts.push(await make(t, name));
  const places = placesOf(parts);
  const guest = bootLinux({
    cpus: CPUS,
    memoryMiB: 512,
    timeoutMs: 240_000,
    modules: [...new Set(["virtio_pci", ...parts.flatMap(({ modules }) => modules)])],
    deviceArguments: parts.flatMap((part, i) => argumentsOf(part, i, places[i] ?? [])),
    script: parts.map((part, i) => scriptOf(part, i, places[i] ?? [])).join("\n"),
  });
  const besides = parts.map(async ({ beside }) => beside?.());
  // Each is waited for by its own subtest.
  for (const each of besides) each.catch(() => undefined);
  const result = await guest.catch(async (error: unknown) => {
    await Promise.allSettled(besides);
    throw error;
  });
  t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
  for (const { name, skip } of planned) {
    await t.test(name, { skip: skip ?? false }, async (own) => {
      const at = parts.findIndex((part) => part.name === name);
      await besides[at];
      const printed = printedBy(result.output, at);
      await parts[at]?.verify(own, { ...printed, console: result.console });
    });
  }
}

/** Places on the bus, eight functions a slot; slot 0 is the machine's own. */
function placesOf(parts: readonly Part[]): string[][] {
  let next = 8;
  return parts.map(({ deviceArguments }) =>
    deviceArguments
      .filter((word) => word === "-device")
      .map(() => {
        const place = `${(next >> 3).toString(16).padStart(2, "0")}.${next & 7}`;
        next += 1;
        return place;
      }),
  );
}

function argumentsOf(
  { deviceArguments }: Part,
  index: number,
  places: readonly string[],
): string[] {
  let used = 0;
  return deviceArguments.map((word, i) => {
    const named = word.replaceAll(/\b(id|chardev|netdev)=(\w+)/g, `$1=part${index}-$2`);
    if (deviceArguments[i - 1] !== "-device") return named;
    used += 1;
    return `${named},addr=${places[used - 1]},multifunction=on`;
  });
}

function scriptOf({ script }: Part, index: number, places: readonly string[]): string {
  const pci = places.map((place) => `0000:00:${place}`).join(" ");
  return `
cat > /part${index} <<'END_OF_PART'
PCI="${pci}"${HELPERS}
${script}
END_OF_PART
echo "=== part ${index} ==="
timeout -s KILL ${PART_SECONDS} sh /part${index}
echo "=== part ${index} ended: $?"`;
}

function printedBy(output: string, index: number): Omit<Printed, "console"> {
  const pattern = `=== part ${index} ===\\r?\\n([^]*?)=== part ${index} ended: (\\d+)`;
  const [, printed, exitCode] = new RegExp(pattern).exec(output) ?? [];
  assert.ok(printed !== undefined, `the machine printed:\n${output}`);
  return { output: printed, exitCode: Number(exitCode) };
}
