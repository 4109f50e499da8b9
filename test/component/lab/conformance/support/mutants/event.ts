import { needsEvent } from "../../../../../../src/core/base/index.ts";
import type { DeviceQueue, RingWords } from "../../../../../../src/core/virtqueue/index.ts";
import { fault, type Mutant, throughQueue } from "../mutant.ts";
import { splitOf } from "../ring-words.ts";

/** Does not call where it says so, although the driver wants a call. */
const callsNot = (
  summary: string,
  make: () => (raw: RingWords, count: number) => boolean,
): Mutant =>
  throughQueue(summary, (queue) => {
    const silent = make();
    let count = 0;
    return {
      publish() {
        const call = queue.publish();
        if (call) count += 1;
        return call && !silent(queue.raw, count);
      },
    };
  });

/** Every Nth call gets lost. */
export const losesCalls = (every: number, format: RingWords["format"]): Mutant =>
  callsNot(
    `loses one call in ${every}`,
    () => (raw, count) => raw.format === format && count % every === 0,
  );

/** Calls whether the driver wants it or not. */
const callsAlways = (summary: string, when: (queue: DeviceQueue) => boolean): Mutant =>
  throughQueue(summary, (queue) => ({
    publish: () => queue.publish() || when(queue),
  }));

/** Asks for kicks, and then makes something of its own of that. */
const enables = (summary: string, then: (queue: DeviceQueue, count: number) => void): Mutant =>
  throughQueue(summary, (queue) => {
    let count = 0;
    return {
      enableNotifications() {
        const idle = queue.enableNotifications();
        count += 1;
        then(queue, count);
        return idle;
      },
    };
  });

const usedEvent = (raw: RingWords): number =>
  raw.format === "split" ? Atomics.load(raw.available, raw.usedEventIndex) : 0;

export const event: Readonly<Record<string, Mutant>> = {
  "event/1": fault("no-call"),
  "event/2": fault("spurious-calls"),
  "event/4": callsAlways("calls for every completion", () => true),
  "event/5": losesCalls(100, "split"),
  "event/6": callsNot("takes event indices for numbers that do not wrap", () => (raw) => {
    return raw.format === "split" && Atomics.load(raw.used16, 1) <= usedEvent(raw);
  }),
  "event/7": enables("names an index that was passed already, now and then", (queue, count) => {
    const raw = splitOf(queue);
    const index = raw.availEventIndex;
    if (count % 100 === 0) Atomics.store(raw.used16, index, Atomics.load(raw.used16, index) - 1);
  }),
  "event/8": enables("asks for no kicks, and does not poll", (queue) => {
    Atomics.store(splitOf(queue).used16, 0, 1);
  }),
  "event/12": enables("asks for no kicks in the flags although it names an index", (queue) => {
    Atomics.store(splitOf(queue).used16, 0, 1);
  }),
  "event/13": callsNot("goes by the flags of the available ring", () => (raw) => {
    return raw.format === "split" && (Atomics.load(raw.available, 0) & 1) !== 0;
  }),
  "event/14": callsNot("goes by the word behind the available ring", () => {
    let before = 0;
    return (raw) => {
      if (raw.format !== "split") return false;
      const now = Atomics.load(raw.used16, 1);
      const wanted = needsEvent(usedEvent(raw), now, before);
      before = now;
      return !wanted;
    };
  }),
};
