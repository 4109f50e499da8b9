import { createConnection, type Socket } from "node:net";
import { Deferred, PeerClosedError, RemoteError, TimeoutError } from "../../../core/base/index.ts";

/** A command is answered within this time, milliseconds: software emulation on a busy machine. */
const TIMEOUT_MS = 30_000;

interface Message {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

/** QEMU's monitor protocol (docs/interop/qmp-spec), as far as commands go; events are dropped. */
export class Qmp implements Disposable {
  readonly #socket: Socket;
  readonly #pending = new Map<number, { command: string; reply: Deferred<unknown> }>();
  #text = "";
  #last = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const { command, reply } of this.#pending.values()) {
        reply.reject(new PeerClosedError(`QEMU closed its monitor before it answered ${command}`));
      }
    });
  }

  /**
   * Connects to a monitor that listens (`-qmp unix:PATH,server=on,wait=off`).
   *
   * @throws Node's error of connect(2); {@link TimeoutError}
   */
  static async connect(path: string): Promise<Qmp> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
    });
    const qmp = new Qmp(socket);
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  /**
   * Carries a command out; resolves with what it returns.
   *
   * @throws {RemoteError} QEMU refused it; {@link PeerClosedError}; {@link TimeoutError}
   */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#last += 1;
    const id = this.#last;
    const reply = new Deferred<unknown>(
      { timeoutMs: TIMEOUT_MS },
      () => new TimeoutError(`QEMU did not answer ${command} within ${TIMEOUT_MS} ms`),
    );
    this.#pending.set(id, { command, reply });
    try {
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
      return await reply.promise;
    } finally {
      this.#pending.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #receive(text: string): void {
    const lines = (this.#text + text).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      const pending = this.#pending.get(message.id ?? 0);
      if (pending === undefined) continue;
      const { command, reply } = pending;
      if (message.error === undefined) reply.resolve(message.return);
      else reply.reject(new RemoteError(command, `QEMU: ${command}: ${message.error.desc}`));
    }
  }
}
