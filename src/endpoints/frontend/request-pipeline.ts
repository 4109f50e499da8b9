import { Deferred, TimeoutError, type WaitOptions } from "../../core/base/index.ts";

/** Default for one request, milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** A queue whose requests are in slots, as a {@link RequestPipeline} needs it. */
export interface SlotQueue {
  /** The reason why requests no longer complete. */
  readonly failure: Error | undefined;
  /** Takes a free slot; -1: none is free. */
  acquire(): number;
  /** Frees a slot; its request must have completed. */
  release(slot: number): void;
}

/** The callbacks by which a queue reports to its pipeline. */
export interface SlotHandler {
  /** @param detail what the device said of the request: a status, or the bytes that it wrote */
  done(slot: number, detail: number): void;
  /** Called when requests no longer complete. */
  failed(error: Error): void;
}

/** One request of a {@link RequestPipeline}. */
export interface PipelineRequest<Q extends SlotQueue, T> {
  /** The name of the request, for errors. */
  readonly what: string;
  /** Puts it into a slot and sends it. What it throws rejects the request. */
  submit(queue: Q, slot: number): void;
  /** Reads the device's answer, before the slot is freed. What it throws rejects the request. */
  complete(queue: Q, slot: number, detail: number): T;
}

interface Pending {
  complete(slot: number, detail: number): void;
  reject(error: unknown): void;
}

/**
 * Requests as promises over the slots of several queues, which take turns. A request without a free
 * slot waits for one.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { BlockQueue, BlockRequest } from "vhost-user/devices/block";
 * import { RequestPipeline } from "vhost-user/virtqueue";
 *
 * const client = await Client.connect("disk.sock");
 * const options = { index: 0, size: 64, depth: 4, transferBytes: 4096 };
 * const pipeline = new RequestPipeline<BlockQueue>();
 * const queue = pipeline.add(
 *   (handler) => new BlockQueue(client, { ...options, ringMode: "event" }, handler),
 * );
 * await queue.begin(client);
 * const status = await pipeline.send({
 *   what: "a read of sector 0",
 *   submit: (each, slot) => {
 *     each.submit(slot, BlockRequest.In, 0, 512);
 *     each.publish();
 *   },
 *   complete: (_queue, _slot, detail) => detail,
 * });
 * console.log(status);
 * await client.close();
 * ```
 */
export class RequestPipeline<Q extends SlotQueue> {
  readonly #queues: Q[] = [];
  readonly #pending: (Pending | undefined)[][] = [];
  readonly #waiting: (() => void)[] = [];
  #turn = 0;

  get queues(): readonly Q[] {
    return this.#queues;
  }

  /** Adds a queue, made with the handler that is passed. */
  add(make: (handler: SlotHandler) => Q): Q {
    const pending: (Pending | undefined)[] = [];
    this.#pending.push(pending);
    const queue = make({
      done: (slot, detail) => {
        const request = pending[slot];
        if (request === undefined) return;
        pending[slot] = undefined;
        request.complete(slot, detail);
        queue.release(slot);
        this.#waiting.shift()?.();
      },
      failed: (error) => {
        for (const request of pending) request?.reject(error);
        for (const wake of this.#waiting.splice(0)) wake();
      },
    });
    this.#queues.push(queue);
    return queue;
  }

  /**
   * Sends a request.
   *
   * @param wait `timeoutMs` is 30 seconds by default
   * @returns what `complete` returns
   * @throws {TimeoutError | QueueError | PeerClosedError} the signal's reason; what `submit` and
   *   `complete` throw
   */
  async send<T>(request: PipelineRequest<Q, T>, wait: WaitOptions = {}): Promise<T> {
    const timeoutMs = wait.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const done = new Deferred<T>(
      { ...wait, timeoutMs },
      () => new TimeoutError(`${request.what}: not completed within ${timeoutMs} ms`),
    );
    const turn = await this.#acquire(done);
    if (turn !== undefined) this.#start(turn.index, turn.slot, request, done);
    return done.promise;
  }

  #start<T>(index: number, slot: number, request: PipelineRequest<Q, T>, done: Deferred<T>): void {
    const [queue, pending] = [this.#queues[index], this.#pending[index]];
    if (queue === undefined || pending === undefined) return;
    pending[slot] = {
      complete: (at, detail) => {
        // The caller has given up: its buffers must not be touched.
        if (done.settled) return;
        try {
          done.resolve(request.complete(queue, at, detail));
        } catch (error) {
          done.reject(error);
        }
      },
      reject: (error) => done.reject(error),
    };
    try {
      request.submit(queue, slot);
    } catch (error) {
      pending[slot] = undefined;
      queue.release(slot);
      done.reject(error);
    }
  }

  /** A free slot, queues taking turns; undefined once the request is settled. */
  async #acquire<T>(
    done: Pick<Deferred<T>, "promise" | "reject" | "settled">,
  ): Promise<{ readonly index: number; readonly slot: number } | undefined> {
    for (;;) {
      for (const { failure } of this.#queues) if (failure !== undefined) done.reject(failure);
      if (done.settled) return undefined;
      for (let i = 0; i < this.#queues.length; i += 1) {
        this.#turn = (this.#turn + 1) % this.#queues.length;
        const slot = this.#queues[this.#turn]?.acquire() ?? -1;
        if (slot >= 0) return { index: this.#turn, slot };
      }
      const freed = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await Promise.race([freed, done.promise]);
    }
  }
}
