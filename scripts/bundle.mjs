/**
 * Puts a command into one file, dist/cli/COMMAND.cjs, so that it starts quickly: Node resolves, reads
 * and links each module by itself, and `probe` would load 170 of them. Needs the compiled code.
 *
 *     node scripts/bundle.mjs [--package]
 *
 * `--package` makes only that of `probe`, which scripts call often, so that the package stays small:
 * there the other commands run from their modules. In a checkout the tests start commands a thousand
 * times.
 *
 * Besides, it makes one script of those that run in the page of `trace --html`.
 *
 * The files are CommonJS, which Node reads at once. Worker threads and child processes run the
 * modules of dist/src: `import.meta.url` still names a module's own file there.
 */
import { readFile, rm } from "node:fs/promises";
import process from "node:process";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** They load modules of users, which share classes with them. */
const FROM_MODULES = ["conform", "matrix"];

const source = fileURLToPath(new URL("../dist/src/", import.meta.url));
const outdir = fileURLToPath(new URL("../dist/cli/", import.meta.url));
const index = `${source}app/cli/commands/index.js`;
const table = await readFile(index, "utf8");
const all = [...table.matchAll(/^ *\["([a-z]+)", /gm)].map(([, name]) => name);
const commands = process.argv.includes("--package")
  ? ["probe"]
  : all.filter((name) => !FROM_MODULES.includes(name));

/** Leaves one command in the table of commands. */
const only = (command) => ({
  name: "only one command",
  setup({ onLoad }) {
    onLoad({ filter: /\/commands\/index\.js$/ }, ({ path }) => {
      if (path !== index) return undefined;
      const line = new RegExp(`^ *\\["${command}", .*$`, "m").exec(table);
      return { contents: `export const COMMANDS = new Map([${line[0]}]);` };
    });
  },
});

const ownAddresses = {
  name: "own addresses",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(source)) return undefined;
      const text = await readFile(path, "utf8");
      const address = `new URL("../src/${relative(source, path)}", bundleUrl).href`;
      return { contents: text.replaceAll("import.meta.url", address) };
    });
  },
};

/** commander loads it for subcommands that are programs; there are none. */
const noChildProcess = {
  name: "no child processes in commander",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes("/commander/") ? { path: "empty", namespace: "empty" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "empty" }, () => ({ contents: "module.exports = {};" }));
  },
};

await rm(outdir, { recursive: true, force: true });
for (const command of commands) {
  await build({
    entryPoints: [`${source}app/cli/main.js`],
    outfile: `${outdir}${command}.cjs`,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename);' },
    plugins: [only(command), ownAddresses, noChildProcess],
  });
}

const pageScripts = fileURLToPath(
  new URL("../src/lab/trace-page/browser/main.ts", import.meta.url),
);
await build({
  entryPoints: [pageScripts],
  outfile: `${source}lab/trace-page/page-script.js`,
  bundle: true,
  format: "iife",
  platform: "browser",
  target: ["chrome110", "firefox115", "safari16.4"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
