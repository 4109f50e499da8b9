import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { Deferred, PeerClosedError, recordOf, TimeoutError } from "../../../../core/base/index.ts";

/** QEMU's monitor protocol (QMP): a greeting, then a line of JSON for each command and answer. */
export class Monitor {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #waiting: Deferred<unknown>[] = [];
  /** Names of the events that arrived. */
  readonly events: string[] = [];

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    const lost = (): void => {
      for (const each of this.#waiting.splice(0)) {
        each.reject(new PeerClosedError("the monitor closed the connection"));
      }
    };
    const lines = createInterface({ input: socket }).on("line", (line) => this.#receive(line));
    // A front-end that is killed resets the socket, whose error also ends up here.
    for (const each of [socket, lines]) each.on("error", lost);
    socket.on("close", lost);
  }

  /** @throws {TimeoutError | PeerClosedError | Error} it does not listen, or does not answer */
  static async connect(path: string, timeoutMs: number): Promise<Monitor> {
    const socket = createConnection(path);
    const connected = new Deferred<void>({ timeoutMs });
    socket.once("connect", () => connected.resolve());
    socket.once("error", (error) => connected.reject(error));
    await connected.promise;
    const monitor = new Monitor(socket, timeoutMs);
    await monitor.execute("qmp_capabilities");
    return monitor;
  }

  /**
   * Runs a command; the value that it returns.
   *
   * @throws {Error} QEMU refuses; {@link TimeoutError}; {@link PeerClosedError}
   */
  async execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const answer = new Deferred<unknown>(
      { timeoutMs: this.#timeoutMs },
      () => new TimeoutError(`monitor: no answer to ${command} within ${this.#timeoutMs} ms`),
    );
    this.#waiting.push(answer);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return answer.promise;
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#socket.destroy();
  }

  #receive(line: string): void {
    const message = recordOf(JSON.parse(line));
    if (typeof message["event"] === "string") this.events.push(message["event"]);
    else if ("return" in message) this.#waiting.shift()?.resolve(message["return"]);
    else if ("error" in message) {
      const { desc } = recordOf(message["error"]);
      this.#waiting.shift()?.reject(new Error(`monitor: ${String(desc)}`));
    }
  }
}
