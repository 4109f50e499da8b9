import { asError } from "../base/index.ts";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { EventFd } from "../os/index.ts";
import type { DriverReports } from "../virtqueue/index.ts";
import type { WorkerPart } from "./ring-server.ts";
import type {
  FromWorker,
  RingEnd,
  RingEvents,
  RingSetup,
  ToWorker,
  WorkerStart,
} from "./worker-messages.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const THREAD = new URL(`./ring-thread${EXTENSION}`, import.meta.url);

export interface RingWorkerOptions {
  /** The name of the thread, for tools that list the threads of a process. */
  readonly name: string;
  /** Called when the driver kicked and has made no chain available. */
  readonly onIdleKick?: (() => void) | undefined;
  /** Called when a ring that stops has waited for a second for this request in flight. */
  readonly onSlowStop?: ((request: string) => void) | undefined;
  /** Called when the ring broke, or the worker ended. The ring is no longer served. */
  readonly onBroken: (end: RingEnd) => void;
  readonly reports?: DriverReports | undefined;
}

/** Kick and call of a ring; undefined if that side polls. Borrowed until the ring was stopped. */
export interface RingNotifiers {
  readonly kick: EventFd | undefined;
  readonly call: EventFd | undefined;
}

/**
 * A thread that serves one ring. Only control uses messages; the thread maps the ring's memory
 * itself and shares the descriptors. The descriptors that it borrows stay open until it has
 * reported that it no longer uses them, or has ended.
 */
export class RingWorker {
  readonly #options: RingWorkerOptions;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wake = EventFd.create();
  readonly #sentBytes = new SharedArrayBuffer(4);
  readonly #sent = new Int32Array(this.#sentBytes);
  readonly #ended: Promise<void>;
  /** Replaced descriptors that the thread has not released yet, oldest first. */
  readonly #retired: (EventFd | undefined)[] = [];
  #part: WorkerPart | undefined;
  #stopping: { end: Promise<RingEnd>; resolve: (end: RingEnd) => void } | undefined;
  #gone = false;
  #error: Error | undefined;

  /** @throws {SystemError} no descriptor is left */
  constructor(options: RingWorkerOptions) {
    this.#options = options;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: WorkerStart = {
      port: port2,
      wake: this.#wake.descriptor.fd,
      sent: this.#sentBytes,
    };
    this.#worker = new Worker(THREAD, { workerData, transferList: [port2], name: options.name });
    this.#port.on("message", (message: FromWorker) => this.#receive(message));
    // The thread keeps the process alive, not the port to it.
    this.#port.unref();
    this.#worker.on("error", (error: unknown) => {
      this.#error = asError(error);
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        this.#end(code);
        resolve();
      });
    });
  }

  /** Returns whether a ring was started and neither stopped nor broken since. */
  get running(): boolean {
    return this.#part !== undefined;
  }

  /** Returns whether the thread has ended. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Starts to serve a ring; none may be running. The part is released when the ring stops. */
  start(ring: RingSetup, part: WorkerPart, notifiers: RingNotifiers): void {
    this.#part = part;
    const { module, data } = part;
    this.#send({ type: "start", ring, module, data, ...numbersOf(notifiers) });
  }

  /** Replaces kick and call, and closes `retired` once the thread no longer uses it. */
  replace(notifiers: RingNotifiers, retired: EventFd | undefined): void {
    if (this.#gone) {
      retired?.close();
      return;
    }
    this.#retired.push(retired);
    this.#send({ type: "events", ...numbersOf(notifiers) });
  }

  /** Stops the ring; resolves once the thread no longer touches it. */
  stop(): Promise<RingEnd> {
    if (this.#gone) return Promise.resolve({ base: undefined, fault: undefined });
    if (this.#stopping === undefined) {
      let resolve: (end: RingEnd) => void = () => undefined;
      const end = new Promise<RingEnd>((settle) => (resolve = settle));
      this.#stopping = { end, resolve };
      this.#send({ type: "stop" });
    }
    return this.#stopping.end;
  }

  /** Ends the thread after the command that it is executing; resolves when it has ended. */
  close(): Promise<void> {
    if (!this.#gone) this.#send({ type: "exit" });
    return this.#ended;
  }

  #send(message: ToWorker): void {
    this.#port.postMessage(message);
    // The order matters: a thread that wakes finds the count, and a thread that sees the count
    // finds the message.
    Atomics.add(this.#sent, 0, 1);
    this.#wake.signal();
  }

  #receive(message: FromWorker): void {
    if (message.type === "replaced") {
      this.#retired.shift()?.close();
      return;
    }
    if (message.type === "idle-kick") {
      this.#options.onIdleKick?.();
      return;
    }
    if (message.type === "slow-stop") {
      this.#options.onSlowStop?.(message.request);
      return;
    }
    if (message.type === "unacknowledged") {
      this.#options.reports?.tolerates(message.feature);
      return;
    }
    if (message.type === "unreachable") {
      this.#options.reports?.unreachable(message.fault);
      return;
    }
    const { base, fault } = message;
    const wasRunning = this.running;
    this.#release();
    if (message.type === "stopped") {
      this.#stopping?.resolve({ base, fault });
      this.#stopping = undefined;
    } else if (wasRunning && this.#stopping === undefined) {
      this.#options.onBroken({ base, fault });
    }
  }

  /** Takes account of the end of the thread, as requested or by an error. */
  #end(code: number): void {
    this.#gone = true;
    const wasRunning = this.running;
    this.#port.close();
    this.#wake.close();
    for (const event of this.#retired.splice(0)) event?.close();
    this.#release();
    const reason = this.#error?.message ?? `it ended with exit code ${code}`;
    const end = { base: undefined, fault: wasRunning ? `its worker failed: ${reason}` : undefined };
    if (this.#stopping !== undefined) this.#stopping.resolve(end);
    else if (wasRunning) this.#options.onBroken(end);
    this.#stopping = undefined;
  }

  #release(): void {
    this.#part?.release?.();
    this.#part = undefined;
  }
}

function numbersOf({ kick, call }: RingNotifiers): RingEvents {
  return { kick: kick?.descriptor.fd, call: call?.descriptor.fd };
}
