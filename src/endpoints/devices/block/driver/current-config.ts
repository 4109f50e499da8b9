import type { Client } from "../../../frontend/index.ts";
import { type BlockConfig, blockConfigLayout, decodeBlockConfig } from "../config.ts";

/** The configuration space of a disk, which is read again when the back-end says that it changed. */
export class CurrentConfig {
  readonly #client: Client;
  #value: BlockConfig;
  #isReading = false;
  #isStale = false;

  private constructor(client: Client, value: BlockConfig) {
    this.#client = client;
    this.#value = value;
    client.onConfigChange(() => void this.#refresh());
  }

  /**
   * Reads the configuration.
   *
   * @throws what FrontendRequests.getLargestConfig throws
   */
  static async of(client: Client): Promise<CurrentConfig> {
    return new CurrentConfig(client, await read(client));
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
