import { RemoteError, type WaitOptions } from "../../core/base/index.ts";
import { type ConfigLayout, decodePresentConfig } from "../../core/protocol/index.ts";
import type { FrontendRequests } from "../../endpoints/frontend/requests.ts";

/**
 * Reads and decodes the configuration space.
 *
 * @returns null where the device refuses
 */
export async function probeConfig(
  requests: FrontendRequests,
  layout: ConfigLayout,
  wait: WaitOptions,
): Promise<Record<string, unknown> | null> {
  try {
    return decodePresentConfig(layout, await requests.getLargestConfig(layout.sizes, wait));
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return null;
  }
}
