import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { UnixListener, UnixSocket } from "../../../src/core/os/index.ts";

/** A listener of ours that handles each connection with a given function. */
export async function rawListener(
  t: TestContext,
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(path);
  await once(server, "listening");
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
}

/** A listener that accepts no connection, with as many connections waiting as it may have. */
export async function busyListener(t: TestContext, path: string): Promise<void> {
  const listener = UnixListener.listen(path, { backlog: 0 });
  const waiting: UnixSocket[] = [];
  t.after(() => {
    for (const socket of waiting) socket.close();
    listener.close();
  });
  try {
    for (;;) waiting.push(await UnixSocket.connect(path, { timeoutMs: 0 }));
  } catch {
    // Full.
  }
}
