/**
 * Returns one self-contained page: no script, no network.
 *
 * @param body HTML
 */
export function benchPage(bench: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>vhost-user bench ${escapeHtml(bench)}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:1rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.2rem .5rem;vertical-align:top;text-align:left;overflow-wrap:anywhere}
svg{width:100%;height:auto}text{font:11px system-ui,sans-serif;fill:#444}.warning{background:#fff3cd;padding:.5rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}td,th{border-color:#444}text{fill:#bbb}.warning{background:#443a10}}
</style></head><body>
<h1>vhost-user bench ${escapeHtml(bench)}</h1>
${body}
</body></html>
`;
}

/** Returns one paragraph for each warning. */
export function warningsHtml(warnings: readonly string[]): string {
  return warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join("\n");
}

/** Returns the tables of options and environment. */
export function settingsHtml(
  options: Readonly<Record<string, string | number | boolean>>,
  environment: Readonly<Record<string, string>>,
): string {
  return `<h2>Options</h2>${tableHtml(Object.entries(options))}
<h2>Environment</h2>${tableHtml(Object.entries(environment))}`;
}

/** Returns a table of the rows, with a header when one is given. */
export function tableHtml(
  rows: readonly (readonly (string | number | boolean)[])[],
  header: readonly string[] = [],
): string {
  const line = (cells: readonly unknown[], tag: "td" | "th"): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(String(cell))}</${tag}>`).join("")}</tr>`;
  const head = header.length > 0 ? line(header, "th") : "";
  return `<table>${head}${rows.map((row) => line(row, "td")).join("")}</table>`;
}

/** Returns the text with the characters that HTML gives a meaning replaced. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
