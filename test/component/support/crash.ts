import type { TestContext } from "node:test";

/** What a back-end does at the instant at which it is killed: nothing any more. */
export class Killed extends Error {}

/**
 * Kills the code that runs inside of {@link run} in front of one of its atomic stores. Those are the ones
 * whose order in-flight tracking lives on; what another thread or process sees is cut off there.
 */
export class Crash {
  #left = Infinity;

  constructor(t: TestContext) {
    const store = Atomics.store;
    t.mock.method(Atomics, "store", (array: Int32Array, index: number, value: number) => {
      this.#left -= 1;
      if (this.#left < 0) throw new Killed();
      return store(array, index, value);
    });
  }

  /** @param stores that are still done; undefined returns: it was killed */
  run<T>(stores: number, work: () => T): { value: T } | undefined {
    this.#left = stores;
    try {
      return { value: work() };
    } catch (error) {
      if (error instanceof Killed) return undefined;
      throw error;
    } finally {
      this.#left = Infinity;
    }
  }
}
