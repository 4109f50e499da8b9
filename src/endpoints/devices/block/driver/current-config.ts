import type { Client } from "../../../frontend/index.ts";
import { type BlockConfig, blockConfigLayout, decodeBlockConfig } from "../config.ts";

/** The configuration space of a disk, which is read again when the back-end says that it changed. */
export class CurrentConfig {
  readonly #client: Client;
  #value: BlockConfig;
  #isReading = false;
  #isStale = false;
  readonly #onChange: (value: BlockConfig) => void;

  private constructor(client: Client, value: BlockConfig, onChange: (value: BlockConfig) => void) {
    this.#client = client;
    this.#value = value;
    this.#onChange = onChange;
    client.onConfigChange(() => void this.#refresh());
  }

  /**
   * Reads the configuration.
   *
   * @param onChange called with each one that is read later
   * @throws what FrontendRequests.getLargestConfig throws
   */
  static async of(
    client: Client,
    onChange: (value: BlockConfig) => void = () => undefined,
  ): Promise<CurrentConfig> {
    return new CurrentConfig(client, await read(client), onChange);
  }

  /** The configuration as it was read last. */
  get value(): BlockConfig {
    return this.#value;
  }

  /** Reads it again; of the changes that are announced meanwhile, one more read sees all. */
  async #refresh(): Promise<void> {
    this.#isStale = true;
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        this.#value = await read(this.#client);
        this.#onChange(this.#value);
      }
    } catch {
      // The connection ended, or the device refuses: what was read before remains.
    } finally {
      this.#isReading = false;
    }
  }
}

async function read(client: Client): Promise<BlockConfig> {
  return decodeBlockConfig(await client.requests.getLargestConfig(blockConfigLayout.sizes));
}
