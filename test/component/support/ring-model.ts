/**
 * A driver half against a device half as commands for fast-check, beside a plain model of arrays:
 * what was added, shown, taken, finished, completed. Both halves must return what the model returns.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { GuestMemory } from "../../../src/core/memory/index.ts";
import { type DriverQueue, SegmentList } from "../../../src/core/virtqueue/index.ts";

/** The device half, here or in another process. */
export interface DeviceSide {
  /** Takes a chain; `sum` is of its readable bytes. */
  take(): Promise<TakenChain | undefined> | TakenChain | undefined;
  /** Fills the first `written` writable bytes with {@link deviceByte}, and gives the chain back. */
  complete(id: number, written: number): Promise<void> | void;
  publish(): Promise<boolean> | boolean;
  enableNotifications(): Promise<boolean> | boolean;
  disableNotifications(): Promise<void> | void;
  state(): Promise<DeviceState> | DeviceState;
}

export interface TakenChain {
  readonly id: number;
  readonly readable: number;
  readonly writable: number;
  readonly sum: number;
}

export interface DeviceState {
  readonly inFlight: number;
  readonly broken: string | undefined;
}

export function deviceByte(written: number, position: number): number {
  return (written * 5 + position) & 0xff;
}

/** What the commands act on. */
export interface RingSystem {
  readonly driver: DriverQueue;
  readonly device: DeviceSide;
  readonly memory: GuestMemory;
  /** Guest address of {@link AREA_BYTES} for buffers; regions may end in the middle. */
  readonly area: number;
}

export const AREA_BYTES: number = 1 << 18;
/** Segments that the driver's indirect tables hold. */
export const TABLE_SEGMENTS = 4;
const MAX_SEGMENTS = 12;

interface Request {
  readonly token: number;
  readonly readable: number;
  readonly writable: number;
  readonly sum: number;
  readonly cost: number;
  /** Where the device writes. */
  readonly segments: readonly (readonly [address: number, length: number])[];
  written: number;
  finished: boolean;
}

/** What holds, by plain arrays. */
export class RingModel {
  readonly indirect: boolean;
  readonly inOrder: boolean;
  free: number;
  token = 0;
  /** Next free byte of the area: far more than can be out at once. */
  at = 0;
  readonly added: Request[] = [];
  readonly available: Request[] = [];
  readonly taken: { readonly request: Request; readonly id: number }[] = [];
  readonly given: Request[] = [];
  readonly used: Request[] = [];
  /** Asked to be woken and not woken since: the next thing that comes must be announced. */
  deviceSleeps = false;
  driverSleeps = false;

  constructor(options: { size: number; indirect: boolean; inOrder: boolean }) {
    this.free = options.size;
    this.indirect = options.indirect;
    this.inOrder = options.inOrder;
  }

  /** Finished chains leave in any order, or behind those before them. */
  complete(): void {
    for (let i = 0; i < this.taken.length;) {
      const { request } = this.taken[i] ?? assert.fail();
      if (request.finished) {
        this.given.push(request);
        this.taken.splice(i, 1);
      } else if (this.inOrder) return;
      else i += 1;
    }
  }

  get outstanding(): number {
    const { added, available, taken, given, used } = this;
    return [added, available, taken, given, used].reduce((sum, { length }) => sum + length, 0);
  }
}

type RingCommand = fc.AsyncCommand<RingModel, RingSystem, false>;

let commandsRun = 0;

/** Commands that were run in this process. */
export function countCommands(): number {
  return commandsRun;
}

abstract class Command implements RingCommand {
  check(): boolean {
    return true;
  }

  async run(model: RingModel, system: RingSystem): Promise<void> {
    commandsRun += 1;
    await this.act(model, system);
    assert.equal(system.driver.broken, undefined);
    assert.equal(system.driver.outstanding, model.outstanding);
    assert.equal(system.driver.overlongCompletions, 0);
    const { inFlight, broken } = await system.device.state();
    assert.equal(broken, undefined);
    assert.equal(inFlight, model.taken.length);
  }

  protected abstract act(model: RingModel, system: RingSystem): Promise<void> | void;
}

class Add extends Command {
  readonly readable: readonly number[];
  readonly writable: readonly number[];

  constructor(readable: readonly number[], writable: readonly number[]) {
    super();
    this.readable = readable;
    this.writable = writable;
  }

  act(model: RingModel, { driver, memory, area }: RingSystem): void {
    const lengths = [...this.readable, ...this.writable];
    const list = new SegmentList(MAX_SEGMENTS);
    const writable: (readonly [number, number])[] = [];
    let sum = 0;
    lengths.forEach((length, i) => {
      if (model.at + length > AREA_BYTES) model.at = 0;
      const address = area + model.at;
      model.at += length;
      list.push(address, length);
      if (i >= this.readable.length) writable.push([address, length]);
      else sum += fill(memory, address, length, model.token + i);
    });
    const useTable = model.indirect && lengths.length > 1 && lengths.length <= TABLE_SEGMENTS;
    const cost = useTable ? 1 : lengths.length;
    const fits = lengths.length > 0 && cost <= model.free;
    assert.equal(driver.add(list, this.readable.length, model.token), fits);
    if (!fits) return;
    model.added.push({
      token: model.token,
      readable: total(this.readable),
      writable: total(this.writable),
      sum,
      cost,
      segments: writable,
      written: 0,
      finished: false,
    });
    model.free -= cost;
    model.token += 1;
  }

  override toString(): string {
    return `add([${this.readable.join()}], [${this.writable.join()}])`;
  }
}

class Publish extends Command {
  act(model: RingModel, { driver }: RingSystem): void {
    const kick = driver.publish();
    if (model.added.length === 0) assert.equal(kick, false);
    else if (model.deviceSleeps) assert.equal(kick, true, "a kick for a device that sleeps");
    if (kick) model.deviceSleeps = false;
    model.available.push(...model.added.splice(0));
  }

  override toString(): string {
    return "publish";
  }
}

class Take extends Command {
  async act(model: RingModel, { device }: RingSystem): Promise<void> {
    const request = model.available.shift();
    const chain = await device.take();
    const { readable, writable, sum } = request ?? {};
    assert.deepEqual(chain && { ...chain, id: 0 }, request && { id: 0, readable, writable, sum });
    if (request && chain) model.taken.push({ request, id: chain.id });
  }

  override toString(): string {
    return "take";
  }
}

class Complete extends Command {
  readonly which: number;
  readonly written: number;

  constructor(which: number, written: number) {
    super();
    this.which = which;
    this.written = written;
  }

  async act(model: RingModel, { device }: RingSystem): Promise<void> {
    const open = model.taken.filter(({ request }) => !request.finished);
    const one = open[this.which % open.length];
    if (one === undefined) return;
    const { request, id } = one;
    request.written = Math.min(this.written, request.writable);
    request.finished = true;
    await device.complete(id, request.written);
    model.complete();
  }

  override toString(): string {
    return `complete(${this.which}, ${this.written})`;
  }
}

class Show extends Command {
  async act(model: RingModel, { device }: RingSystem): Promise<void> {
    const call = await device.publish();
    if (model.given.length === 0) assert.equal(call, false);
    else if (model.driverSleeps) assert.equal(call, true, "a call for a driver that sleeps");
    if (call) model.driverSleeps = false;
    model.used.push(...model.given.splice(0));
  }

  override toString(): string {
    return "publish";
  }
}

class Poll extends Command {
  readonly max: number;

  constructor(max: number) {
    super();
    this.max = max;
  }

  act(model: RingModel, { driver, memory }: RingSystem): void {
    const got: [number, number][] = [];
    driver.poll((token, written) => got.push([token, written]), this.max);
    const want = model.used.splice(0, this.max);
    for (const { cost } of want) model.free += cost;
    assert.deepEqual(
      got,
      want.map(({ token, written }) => [token, written]),
    );
    for (const { segments, written } of want) {
      let position = 0;
      for (const [address, length] of segments) {
        for (let i = 0; i < length && position < written; i += 1, position += 1) {
          assert.equal(byteAt(memory, address + i)[0], deviceByte(written, position));
        }
      }
    }
  }

  override toString(): string {
    return `poll(${this.max})`;
  }
}

class EnableNotifications extends Command {
  async act(model: RingModel, { driver, device }: RingSystem): Promise<void> {
    model.driverSleeps = driver.enableNotifications();
    assert.equal(model.driverSleeps, model.used.length === 0);
    model.deviceSleeps = await device.enableNotifications();
    assert.equal(model.deviceSleeps, model.available.length === 0);
  }

  override toString(): string {
    return "enableNotifications";
  }
}

class DisableNotifications extends Command {
  async act(model: RingModel, { driver, device }: RingSystem): Promise<void> {
    driver.disableNotifications();
    await device.disableNotifications();
    model.driverSleeps = false;
    model.deviceSleeps = false;
  }

  override toString(): string {
    return "disableNotifications";
  }
}

const length = fc.integer({ min: 1, max: 40 });
const lengths = fc.array(length, { maxLength: MAX_SEGMENTS / 2 });

/** Lists of commands; some are repeated, so that rings fill up and run empty. */
export function ringCommands(maxCommands: number): fc.Arbitrary<Iterable<RingCommand>> {
  const add = fc.tuple(lengths, lengths).map(([reads, writes]) => new Add(reads, writes));
  const complete = fc
    .tuple(fc.nat(300), fc.nat(400))
    .map(([which, written]) => new Complete(which, written));
  return fc.commands<RingModel, RingSystem, false>(
    [
      add,
      add,
      fc.constant(new Publish()),
      fc.constant(new Take()),
      fc.constant(new Take()),
      complete,
      complete,
      fc.constant(new Show()),
      fc.integer({ min: 1, max: 20 }).map((max) => new Poll(max)),
      fc.constantFrom(new EnableNotifications(), new DisableNotifications()),
    ],
    { maxCommands, size: "max" },
  ) as unknown as fc.Arbitrary<Iterable<RingCommand>>;
}

/** Runs a list of commands against both halves and the model. */
export async function runCommands(
  list: Iterable<RingCommand>,
  model: RingModel,
  real: RingSystem,
): Promise<void> {
  await fc.asyncModelRun<RingModel, RingSystem, false, RingModel>(() => ({ model, real }), list);
}

function total(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** One byte of memory, as an array. */
function byteAt(memory: GuestMemory, address: number): Uint8Array {
  const region = memory.regions.find(({ start, end }) => address >= start && address < end);
  if (region === undefined) throw new Error(`no region at ${address}`);
  const { window, offset } = region.view(address - region.start, 1);
  return window.bytes.subarray(offset, offset + 1);
}

/** Fills a readable segment; returns the sum of its bytes. */
function fill(memory: GuestMemory, address: number, length: number, seed: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 1) {
    const value = (seed * 31 + i) & 0xff;
    byteAt(memory, address + i)[0] = value;
    sum += value;
  }
  return sum;
}
