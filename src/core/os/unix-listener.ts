import { lstatSync, unlinkSync } from "node:fs";
import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno } from "./system-error.ts";
import { checkSocketPath, UnixSocket } from "./unix-socket.ts";

interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
}

/** Whether a descriptor is a socket that listens. @throws SystemError `ENOTSOCK`, `EBADF` */
export function isListeningSocket(fd: number): boolean {
  return check(addon().isListening(fd), "getsockopt") === 1;
}

function identify(path: string): Identity | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && { device: stats.dev, inode: stats.ino };
}

/** Who may connect to a socket. */
export interface SocketAccess {
  /** Permission bits of the path, whatever the umask is. Default 0600. */
  readonly mode?: number | undefined;
  /** Group id of the path. Default: that of every file which this process makes there. */
  readonly group?: number | undefined;
}

/** `(gid_t)-1`. */
const SAME_GROUP = 0xffff_ffff;

export interface ListenOptions extends SocketAccess {
  /** How many connections wait to be accepted; the kernel allows one more. Default 128. */
  readonly backlog?: number | undefined;
}

/** A listening UNIX stream socket, its path of mode 0600 unless asked otherwise; never blocks. */
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

  /** Takes over a listening socket from elsewhere; its path is left alone. */
  static adopt(fd: OwnedFd): UnixListener {
    return new UnixListener("the inherited socket", fd, undefined);
  }

  /** The next waiting connection; undefined when there is none. @throws SystemError e.g. `EMFILE` */
  accept(): UnixSocket | undefined {
    for (;;) {
      const result = addon().accept(this.fd);
      if (result === -Errno.EAGAIN) return undefined;
      // That peer gave up while it waited; the next one may not have.
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

  /** Idempotent. Removes the path only while it is still the one made here. */
  close(): void {
    if (this.#owned.closed) return;
    try {
      const now = identify(this.path);
      const ours = this.#identity;
      if (ours && now?.inode === ours.inode && now.device === ours.device) unlinkSync(this.path);
    } finally {
      // Last: a listener elsewhere cannot be given this inode number while it is still in use.
      this.#owned.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
