import { lstatSync, unlinkSync } from "node:fs";
import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno } from "./system-error.ts";
import { checkSocketPath, UnixSocket } from "./unix-socket.ts";

interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
}

/**
 * Returns whether a descriptor is a socket that listens.
 *
 * @throws SystemError `ENOTSOCK`, `EBADF`
 */
export function isListeningSocket(fd: number): boolean {
  return check(addon().isListening(fd), "getsockopt") === 1;
}

function identify(path: string): Identity | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && { device: stats.dev, inode: stats.ino };
}

/** The access rights of a socket path. */
export interface SocketAccess {
  /** Permission bits of the path, whatever the umask is. Default 0600. */
  readonly mode?: number | undefined;
  /** Group id of the path. Default: the group of any file that this process creates there. */
  readonly group?: number | undefined;
}

/** `(gid_t)-1`. */
const SAME_GROUP = 0xffff_ffff;

export interface ListenOptions extends SocketAccess {
  /**
   * Number of connections that may wait to be accepted; the kernel allows one more. Default 128.
   */
  readonly backlog?: number | undefined;
}

/** A listening, non-blocking UNIX stream socket. Its path has mode 0600 by default. */
export class UnixListener {
  readonly path: string;
  readonly #owned: OwnedFd;
  readonly #identity: Identity | undefined;

  private constructor(path: string, owned: OwnedFd, identity: Identity | undefined) {
    this.path = path;
    this.#owned = owned;
    this.#identity = identity;
  }

  /**
   * Listens on a path that does not exist yet. Never removes an existing file, also not the socket
   * of a listener that died.
   *
   * @throws UsageError for an impossible path
   * @throws SystemError `EADDRINUSE` (the path exists), `ENOENT`, `EACCES`, `EPERM` (not a member
   * of the group)
   */
  static listen(path: string, options: ListenOptions = {}): UnixListener {
    checkSocketPath(path);
    const { backlog = 128, mode = 0o600, group = SAME_GROUP } = options;
    const result = addon().unixListen(path, backlog, mode, group);
    const owned = new OwnedFd(check(result, "bind", path));
    return new UnixListener(path, owned, identify(path));
  }

  /** Takes over a listening socket that other code made; its path is left alone. */
  static adopt(fd: OwnedFd): UnixListener {
    return new UnixListener("the inherited socket", fd, undefined);
  }

  /**
   * Accepts the next waiting connection; undefined if there is none.
   *
   * @throws SystemError e.g. `EMFILE`
   */
  accept(): UnixSocket | undefined {
    for (;;) {
      const result = addon().accept(this.fd);
      if (result === -Errno.EAGAIN) return undefined;
      // That peer closed its connection while it waited; more may wait behind it.
      if (result === -Errno.ECONNABORTED) continue;
      return UnixSocket.adopt(new OwnedFd(check(result, "accept", this.path)));
    }
  }

  /** @throws StateError once closed */
  get fd(): number {
    return this.#owned.fd;
  }

  get closed(): boolean {
    return this.#owned.closed;
  }

  /** Stops listening, and removes the path if it is still the one made here. Idempotent. */
  close(): void {
    if (this.#owned.closed) return;
    try {
      const now = identify(this.path);
      const ours = this.#identity;
      if (ours && now?.inode === ours.inode && now.device === ours.device) unlinkSync(this.path);
    } finally {
      // The descriptor is closed last: the kernel cannot reuse this inode number for another
      // listener while it is open.
      this.#owned.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
