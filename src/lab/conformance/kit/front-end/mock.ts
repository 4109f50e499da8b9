import {
  type BackendHooks,
  type BackendSession,
  BackendServer,
  type Device,
} from "../../../../endpoints/backend/index.ts";
import type { Header } from "../../../../core/protocol/index.ts";
import type { Exchange } from "../exchange.ts";
import { CaseSkip } from "../../../engine/index.ts";
import type { PlayedDevice, RequestKit } from "../back-end/kit.ts";
import { within } from "../../targets/within.ts";

/** The deviations of the mock from a correct back-end. */
export interface MockOptions extends BackendHooks {
  /** Features that are not offered. */
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint };
  /** Features to offer that are off by default. */
  readonly optional?: bigint;
}

/** A message of the front-end's. */
export interface Message {
  /** Milliseconds since the mock began to listen. */
  readonly at: number;
  readonly header: Header;
  readonly payload: Uint8Array;
  /** Number of descriptors of the message. */
  readonly fds: number;
}

/** One connection of a front-end. */
export interface Conversation {
  readonly session: BackendSession;
  /** The messages of the front-end, in order. */
  readonly messages: readonly Message[];
  /** True if it is over. */
  readonly closed: boolean;
}

/** Our back-end, which writes down what a front-end sends. */
export class Mock {
  readonly conversations: Conversation[] = [];
  readonly #played: PlayedDevice;
  #server: BackendServer | undefined;

  private constructor(played: PlayedDevice) {
    this.#played = played;
  }

  /** @throws {CaseSkip} the suite cannot play such a device */
  static async listen(
    path: string,
    kit: RequestKit,
    exchange: Exchange,
    options: MockOptions,
  ): Promise<Mock> {
    const played = kit.play?.();
    if (played === undefined) throw new CaseSkip(`the suite cannot play a ${kit.kind.name} device`);
    const mock = new Mock(played);
    try {
      mock.#server = await mock.#listen(path, () => played.device(), exchange, options);
      return mock;
    } catch (error) {
      played.close();
      throw error;
    }
  }

  /** The messages of all connections. */
  get messages(): readonly Message[] {
    return this.conversations.flatMap(({ messages }) => messages);
  }

  /** Resolves once every conversation is over, or after that time. */
  async drained(timeoutMs: number): Promise<void> {
    const over = this.conversations.map(async ({ session }) => session.closed);
    await within(Promise.all(over), timeoutMs);
  }

  /** Stops listening and ends the conversations. */
  async close(): Promise<void> {
    this.#server?.close();
    await Promise.all(this.conversations.map(async ({ session }) => session.closed));
    this.#played.close();
  }

  async #listen(
    path: string,
    device: () => Device,
    exchange: Exchange,
    { without, optional, ...hooks }: MockOptions,
  ): Promise<BackendServer> {
    const start = performance.now();
    let messages: Message[] = [];
    return BackendServer.listen(path, {
      ...hooks,
      device,
      without,
      optional,
      observe: (way, frame, direction) => {
        hooks.observe?.(way, frame, direction);
        const name = `c${this.conversations.length}`;
        const { header, payload, fds } = frame;
        exchange.message(name, way === "sent" ? ">" : "<", header, payload, fds.length, direction);
        if (way === "sent" || direction !== "front-end") return;
        const at = performance.now() - start;
        messages.push({ at, header, payload: payload.slice(), fds: fds.length });
      },
      onSession: (session) => {
        messages = [];
        // One that connects again is still there, whatever happened to it before.
        if (exchange.observed.has("request")) exchange.observe("service");
        const conversation = { session, messages, closed: false };
        this.conversations.push(conversation);
        exchange.note(`c${this.conversations.length}`, "the front-end connects");
        void session.closed.then(() => {
          conversation.closed = true;
        });
      },
      onProblem: (problem) => exchange.note("··", problem.message),
    });
  }
}
