import { asError, isRecord, ProtocolError, StateError } from "../../core/base/index.ts";
import { type OwnedFd, readPipe, writePipe } from "../../core/os/index.ts";
import { TransferDirection } from "../../core/protocol/index.ts";

/** A device's own state: what is neither in guest memory nor set by the front-end. */
export interface DeviceState {
  /**
   * Returns the state that another instance needs to continue. Called while all rings are stopped.
   */
  save(): AsyncIterable<Uint8Array>;
  /**
   * Takes what another instance saved, read to its end. Comes from the front-end: anything may be in
   * it.
   *
   * @throws what is wrong with it; the device stays as it was
   */
  load(from: AsyncIterable<Uint8Array>): Promise<void>;
}

/** A front-end that sends more is refused, bytes. */
const MAX_STATE_BYTES = 64 << 20;
/** Milliseconds that CHECK_DEVICE_STATE waits for the end of a transfer. */
const CHECK_TIMEOUT_MS = 10_000;

/**
 * One transfer of a device's state (SET_DEVICE_STATE_FD), which runs while the session keeps
 * answering. Its result is kept until CHECK_DEVICE_STATE requests it.
 */
export class StateTransfer {
  readonly #ending = new AbortController();
  readonly #done: Promise<Error | undefined>;
  #settled = false;

  /** @param fd taken over */
  constructor(state: DeviceState, direction: number, fd: OwnedFd) {
    const { signal } = this.#ending;
    const run =
      direction === TransferDirection.Save
        ? writePipe(fd, state.save(), signal)
        : state.load(bounded(readPipe(fd, signal)));
    this.#done = run
      .then(() => undefined, asError)
      .finally(() => {
        this.#settled = true;
        // A device that did not read to the end must not block the writer.
        this.abort("the transfer has ended");
      });
  }

  get running(): boolean {
    return !this.#settled;
  }

  /**
   * Waits for the result of the transfer (CHECK_DEVICE_STATE). A front-end sends the request after
   * EOF; one that sends it earlier waits for a limited time.
   *
   * @returns the error, if the transfer failed
   */
  async result(): Promise<Error | undefined> {
    const timer = setTimeout(() => this.abort("the transfer did not end"), CHECK_TIMEOUT_MS);
    try {
      return await this.#done;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it where it is. Idempotent. */
  abort(reason: string): void {
    this.#ending.abort(new StateError(`device state: ${reason}`));
  }
}

async function* bounded(from: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of from) {
    length += chunk.length;
    if (length > MAX_STATE_BYTES) {
      throw new ProtocolError(
        `device state: it has more than ${MAX_STATE_BYTES} bytes, which is the limit`,
      );
    }
    yield chunk;
  }
}

/** A state of a few values as one document that names its device and version. */
export interface VersionedState {
  /** The device type, for example `block`. */
  readonly type: string;
  readonly version: number;
  /** A value for JSON. */
  save(): unknown;
  /** @throws what is wrong with the value; nothing may have been taken then */
  load(value: unknown): void;
}

const FORMAT = "vhost-user device state";
/** A document of a few values is never longer, bytes. */
const MAX_DOCUMENT_BYTES = 1 << 20;

/** A small state, saved as JSON. */
export function versionedState(own: VersionedState): DeviceState {
  const { type, version } = own;
  const head = { format: FORMAT, type, version };
  return {
    async *save() {
      yield new TextEncoder().encode(JSON.stringify({ ...head, state: own.save() }));
    },
    async load(from) {
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of from) {
        length += chunk.length;
        if (length > MAX_DOCUMENT_BYTES) throw notOurs(`at most ${MAX_DOCUMENT_BYTES} bytes`);
        chunks.push(chunk);
      }
      const document = parse(Buffer.concat(chunks));
      if (document["format"] !== FORMAT) throw notOurs(`a document of "${FORMAT}"`);
      if (document["type"] !== type || document["version"] !== version) {
        const { type: otherType, version: otherVersion } = document;
        throw notOurs(
          `that of a ${type} device, version ${version}; it is for ` +
            `${JSON.stringify(otherType)}, version ${JSON.stringify(otherVersion)}`,
        );
      }
      own.load(document["state"]);
    },
  };
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (isRecord(document)) return document;
  } catch {
    // Reported below.
  }
  throw notOurs("a JSON document");
}

function notOurs(expected: string): ProtocolError {
  return new ProtocolError(`device state: it is not ${expected}`, {
    field: "device state",
  });
}
