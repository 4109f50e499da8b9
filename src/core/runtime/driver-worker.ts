import { Worker } from "node:worker_threads";
import { Deferred, QueueError } from "../base/index.ts";
import { EventFd } from "../os/index.ts";
import type { DriverRingPlace, DriverStart, FromDriver, RingLeft } from "./driver-messages.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const THREAD = new URL(`./driver-thread${EXTENSION}`, import.meta.url);

/**
 * A thread that drives rings. The descriptors that it borrows must stay open until {@link ended}.
 */
export class DriverWorker {
  readonly #worker: Worker;
  readonly #wake = EventFd.create();
  readonly #askedBytes = new SharedArrayBuffer(4);
  readonly #asked = new Int32Array(this.#askedBytes);
  readonly #ready = new Deferred<readonly DriverRingPlace[]>();
  #gone = false;
  readonly #left = new Deferred<readonly RingLeft[]>();
  /** Resolves once the thread is gone, for whatever reason. */
  readonly ended: Promise<void>;

  /** @throws {SystemError} no descriptor is left */
  constructor(options: Omit<DriverStart, "asked" | "wake">, name: string) {
    const start: DriverStart = {
      ...options,
      asked: this.#askedBytes,
      wake: this.#wake.descriptor.fd,
    };
    this.#worker = new Worker(THREAD, { workerData: start, name });
    for (const { promise } of [this.#ready, this.#left]) promise.catch(() => undefined);
    this.#worker.on("message", (message: FromDriver) => {
      if (message.type === "ready") this.#ready.resolve(message.rings);
      else this.#left.resolve(message.rings);
    });
    this.#worker.on("error", (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#fail(new QueueError(`the thread of a driver failed: ${reason}`, { cause }));
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        this.#fail(new QueueError(`the thread of a driver ended with code ${code}`));
        this.#wake.close();
        resolve();
      });
    });
  }

  /**
   * The addresses of the rings.
   *
   * @throws {QueueError} the thread failed
   */
  get ready(): Promise<readonly DriverRingPlace[]> {
    return this.#ready.promise;
  }

  /**
   * The states in which the thread left the rings.
   *
   * @throws {QueueError} the thread failed
   */
  get left(): Promise<readonly RingLeft[]> {
    return this.#left.promise;
  }

  /** Starts to drive the rings, which the back-end already serves. Idempotent. */
  go(): void {
    if (!this.#gone) this.#worker.postMessage("go");
    this.#gone = true;
  }

  /**
   * Asks the thread to submit no more requests and end when all have completed (`finish`), or to
   * end at once (`leave`). A thread that has not started ends in the same way.
   */
  ask(what: "finish" | "leave"): void {
    if (this.#wake.descriptor.closed) return;
    Atomics.store(this.#asked, 0, what === "finish" ? 1 : 2);
    this.go();
    this.#wake.signal();
  }

  /** Terminates the thread, whatever it is doing. */
  async close(): Promise<void> {
    this.ask("leave");
    await this.#worker.terminate();
    await this.ended;
  }

  #fail(error: QueueError): void {
    this.#ready.reject(error);
    this.#left.reject(error);
  }
}
