/** Returns a table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map(
    (cells) => `| ${cells.map(escaped).join(" | ")} |\n`,
  );
  return lines.join("");
}

/** Angle brackets outside of code spans would be HTML. */
function escaped(cell: string): string {
  return cell
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replaceAll("<", "&lt;")))
    .join("")
    .replaceAll("|", String.raw`\|`)
    .replaceAll("\n", " ");
}
