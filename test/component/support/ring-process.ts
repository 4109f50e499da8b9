/**
 * A process that has the device half of a ring: it maps the memory of its parent again, and does
 * what its parent sends. Started by {@link startRingProcess}.
 */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type GuestMemory, Region, RegionTable } from "../../../src/core/memory/index.ts";
import { OwnedFd } from "../../../src/core/os/index.ts";
import type { MemoryRegion } from "../../../src/core/protocol/index.ts";
import {
  createDeviceQueue,
  type DriverQueue,
  type RingFeatures,
  ringFormat,
} from "../../../src/core/virtqueue/index.ts";
import { LocalDevice } from "./device-side.ts";
import type { DeviceSide, DeviceState, TakenChain } from "./ring-model.ts";
import { locateParts, type PartAddresses } from "./rings.ts";

interface Setup {
  readonly do: "setUp";
  readonly pid: number;
  readonly regions: readonly { readonly description: MemoryRegion; readonly fd: number }[];
  readonly parts: PartAddresses;
  readonly size: number;
  readonly features: RingFeatures;
}

type Order =
  | Setup
  | { readonly do: "take" | "publish" | "enableNotifications" | "disableNotifications" }
  | { readonly do: "complete"; readonly id: number; readonly written: number };

interface Answer {
  readonly result: unknown;
  readonly state: DeviceState;
}

/** The device half in another process; one ring after the other. */
export class RemoteDevice implements DeviceSide {
  readonly #child: ChildProcess;
  #state: DeviceState = { inFlight: 0, broken: undefined };

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async setUp(memory: GuestMemory, driver: DriverQueue, features: RingFeatures): Promise<void> {
    const { descriptors, driver: available, device: used } = driver.parts;
    await this.#ask({
      do: "setUp",
      pid: process.pid,
      regions: memory.regions.map(({ description, fd }) => ({ description, fd: fd.fd })),
      parts: {
        descriptors: descriptors.userAddress,
        driver: available.userAddress,
        device: used.userAddress,
      },
      size: driver.size,
      features,
    });
  }

  async take(): Promise<TakenChain | undefined> {
    return (await this.#ask({ do: "take" })) as TakenChain | undefined;
  }

  async complete(id: number, written: number): Promise<void> {
    await this.#ask({ do: "complete", id, written });
  }

  async publish(): Promise<boolean> {
    return (await this.#ask({ do: "publish" })) as boolean;
  }

  async enableNotifications(): Promise<boolean> {
    return (await this.#ask({ do: "enableNotifications" })) as boolean;
  }

  async disableNotifications(): Promise<void> {
    await this.#ask({ do: "disableNotifications" });
  }

  state(): DeviceState {
    return this.#state;
  }

  async end(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    assert.deepEqual(await ended, [0, null]);
  }

  async #ask(order: Order): Promise<unknown> {
    const answer = once(this.#child, "message");
    this.#child.send(order);
    const [{ result, state }] = (await answer) as [Answer];
    this.#state = state;
    return result;
  }
}

export function startRingProcess(): RemoteDevice {
  return new RemoteDevice(fork(new URL(import.meta.url), { serialization: "advanced" }));
}

function obey(): void {
  let device: LocalDevice | undefined;
  let table = new RegionTable();
  const setUp = ({ pid, regions, parts, size, features }: Setup): void => {
    table.close();
    table = new RegionTable();
    table.replace(
      regions.map(
        ({ description, fd }) =>
          new Region(description, new OwnedFd(openSync(`/proc/${pid}/fd/${fd}`, "r+"))),
      ),
    );
    const packed = features.packed === true;
    const base = ringFormat(packed).freshBase;
    const memory = locateParts(table, parts, size, packed);
    device = new LocalDevice(createDeviceQueue({ size, memory, space: table, features, base }));
  };
  process.on("message", (order: Order) => {
    let result: unknown;
    if (order.do === "setUp") setUp(order);
    else if (order.do === "complete") device?.complete(order.id, order.written);
    else result = device?.[order.do]();
    process.send?.({ result, state: device?.state() });
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  obey();
