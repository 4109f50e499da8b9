import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { after, afterEach, before, beforeEach, type TestContext } from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";

/** What a process holds that garbage collection does not (or not soon) release. */
export interface Resources {
  /** Descriptor number to what it refers to. */
  readonly descriptors: ReadonlyMap<number, string>;
  /** Address range and file of every shared mapping. */
  readonly mappings: readonly string[];
  /** Kind of active timer, handle or request to how many. */
  readonly active: ReadonlyMap<string, number>;
}

export function takeResources(): Resources {
  const descriptors = new Map<number, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      descriptors.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor of the listing itself.
    }
  }
  const mappings = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => /^\S+ ...s /.test(line) && !line.includes("anon_inode:"));
  const active = new Map<string, number>();
  // An immediate runs in this turn of the event loop: the test runner has some of its own.
  for (const kind of process.getActiveResourcesInfo().filter((each) => each !== "Immediate")) {
    active.set(kind, (active.get(kind) ?? 0) + 1);
  }
  return { descriptors, mappings, active };
}

/** What `now` has more of than `then`, one line each. Fewer is not a leak: something older ended. */
export function leaksBetween(then: Resources, now: Resources): string[] {
  const leaks: string[] = [];
  if (now.descriptors.size > then.descriptors.size) {
    for (const [fd, target] of now.descriptors) {
      if (then.descriptors.get(fd) !== target) leaks.push(`descriptor ${fd}: ${target}`);
    }
  }
  if (now.mappings.length > then.mappings.length) {
    const known = new Set(then.mappings);
    for (const line of now.mappings) if (!known.has(line)) leaks.push(`mapping ${line}`);
  }
  for (const [kind, count] of now.active) {
    const before = then.active.get(kind) ?? 0;
    if (count > before) leaks.push(`${count - before} active ${kind}`);
  }
  return leaks;
}

/**
 * {@link leaksBetween} now; handles that close asynchronously get `withinMs` to do so: less than the
 * time limits of the code under test, whose timers would go unnoticed otherwise.
 */
export async function settledLeaks(then: Resources, withinMs = 1000): Promise<string[]> {
  const deadline = performance.now() + withinMs;
  for (let round = 0; ; round++) {
    const leaks = leaksBetween(then, takeResources());
    if (leaks.length === 0 || performance.now() > deadline) return leaks;
    if (round < 10) await setImmediate();
    else await setTimeout(5);
  }
}

/**
 * libuv makes the pipes through which it hears of signals (and of children's ends) at the first
 * use, and keeps them.
 */
function makeLazyDescriptors(): void {
  const ignore = (): void => undefined;
  process.on("SIGWINCH", ignore);
  process.off("SIGWINCH", ignore);
}

/**
 * Makes every following test of this file, or of the suite it is called in, fail when it leaves a
 * descriptor, a shared mapping, a timer or a handle behind. Call it once, first.
 */
export function guardLeaks(): void {
  makeLazyDescriptors();
  const running: Resources[] = [];
  let unchecked = 0;
  beforeEach(() => {
    running.push(takeResources());
  });
  afterEach((context) => {
    const before = running.pop();
    assert.ok(before);
    unchecked++;
    // These hooks run before what the test gave to t.after; what is given to it now runs last.
    (context as TestContext).after(async () => {
      unchecked--;
      const leaks = await settledLeaks(before);
      assert.deepEqual(leaks, [], "the test left something behind");
    });
  });
  after(() => assert.equal(unchecked, 0, "the leak guard did not run: has the order changed?"));
}

/**
 * Makes the file fail when its tests together leave a descriptor, a shared mapping, a timer or a
 * handle behind: for tests that run at the same time, whose resources cannot be attributed to one of them.
 */
export function guardLeaksOfFile(): void {
  makeLazyDescriptors();
  let atFirst: Resources | undefined;
  before(() => {
    atFirst = takeResources();
  });
  after(async () => {
    assert.ok(atFirst);
    assert.deepEqual(await settledLeaks(atFirst, 4000), [], "the tests left something behind");
  });
}
