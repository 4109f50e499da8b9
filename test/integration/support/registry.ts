import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { packageRoot } from "../../support/package-root.ts";

/**
 * A package registry on this machine, so that `npm install` can be tested without a network. It has
 * the packages that are installed in this checkout.
 */
export class Registry {
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(({ url = "" }, response) => {
      const name = decodeURIComponent(url.slice(1).replace(/\/-\/.*/, ""));
      const packed = packInstalled(name);
      if (packed === undefined) response.writeHead(404).end("{}");
      else if (url.includes("/-/")) response.end(packed.tarball);
      else response.end(JSON.stringify(this.#describe(name, packed)));
    });
  }

  static async start(t: TestContext): Promise<Registry> {
    const registry = new Registry();
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    // A test that fails before its hooks have run must not wait for it.
    registry.#server.unref();
    t.after(async () => {
      registry.#server.close();
      registry.#server.closeAllConnections();
      await once(registry.#server, "close");
    });
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  #describe(name: string, { manifest, tarball }: Packed): unknown {
    const { version } = manifest;
    const dist = {
      tarball: `${this.url}${name}/-/${version}.tgz`,
      integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
    };
    return {
      name,
      "dist-tags": { latest: version },
      versions: { [version]: { ...manifest, dist } },
    };
  }
}

interface Packed {
  readonly manifest: { readonly version: string };
  readonly tarball: Buffer;
}

function packInstalled(name: string): Packed | undefined {
  const folder = join(packageRoot, "node_modules", name);
  let text: string;
  try {
    text = readFileSync(join(folder, "package.json"), "utf8");
  } catch {
    return undefined;
  }
  const options = ["-czf", "-", "--mtime=@0", "--sort=name", "--transform=s/^\\./package/"];
  const { stdout } = spawnSync("tar", [...options, "-C", folder, "."]);
  return { manifest: JSON.parse(text) as Packed["manifest"], tarball: stdout };
}
