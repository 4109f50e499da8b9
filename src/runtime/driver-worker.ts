import { Worker } from "node:worker_threads";
import { Deferred, QueueError } from "../base/index.ts";
import { EventFd, OwnedFd } from "../os/index.ts";
import type { DriverRingPlace, DriverStart, FromDriver, RingLeft } from "./driver-messages.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const THREAD = new URL(`./driver-thread${EXTENSION}`, import.meta.url);

/** Between two attempts to free a thread that was asked for something, milliseconds. */
const FREE_MS = 50;

/**
 * A thread that drives rings. What it borrows must stay open until {@link ended}.
 *
 * It kicks without looking whether that may block, which is the peer's to say (`signalWatched`). So
 * whenever it is asked for something, and as long as it has not ended, it is freed again and again.
 */
export class DriverWorker {
  readonly #worker: Worker;
  readonly #wake = EventFd.create();
  readonly #asked = new Int32Array(new SharedArrayBuffer(4));
  readonly #ready = new Deferred<readonly DriverRingPlace[]>();
  readonly #kicks: readonly EventFd[];
  #gone = false;
  #freeing: NodeJS.Timeout | undefined;
  readonly #left = new Deferred<readonly RingLeft[]>();
  /** Resolves once the thread is gone, for whatever reason. */
  readonly ended: Promise<void>;

  /** @throws {SystemError} no descriptor is left */
  constructor(options: Omit<DriverStart, "asked" | "wake">, name: string) {
    const start: DriverStart = {
      ...options,
      asked: this.#asked.buffer as SharedArrayBuffer,
      wake: this.#wake.descriptor.fd,
    };
    // Borrowed.
    this.#kicks = options.rings.map(({ kick }) => EventFd.adopt(new OwnedFd(kick)));
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
        clearInterval(this.#freeing);
        resolve();
      });
    });
  }

  /** Where the rings lie. @throws {QueueError} the thread failed */
  get ready(): Promise<readonly DriverRingPlace[]> {
    return this.#ready.promise;
  }

  /** How the rings were left. @throws {QueueError} the thread failed */
  get left(): Promise<readonly RingLeft[]> {
    return this.#left.promise;
  }

  /** Begins; the back-end serves the rings by now. Idempotent. */
  go(): void {
    if (!this.#gone) this.#worker.postMessage("go");
    this.#gone = true;
  }

  /**
   * Has the thread submit nothing any more, and leave when everything is back; or leave at once. One
   * that did not begin comes to its end in the same way.
   */
  ask(what: "finish" | "leave"): void {
    if (this.#wake.descriptor.closed) return;
    Atomics.store(this.#asked, 0, what === "finish" ? 1 : 2);
    this.go();
    this.#wake.signal();
    this.#freeing ??= setInterval(() => this.#free(), FREE_MS);
  }

  #free(): void {
    for (const kick of this.#kicks) {
      try {
        kick.free();
      } catch {
        // The peer's doing too: what cannot be signalled blocks nobody.
      }
    }
  }

  /** Ends the thread, whatever it is doing. */
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
