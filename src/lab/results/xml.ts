/** Formats milliseconds as the seconds of JUnit. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

/** ISO 8601 without fractions and zone (it is UTC): all that the format's schemas allow. */
export function toSecond(iso: string): string {
  return iso.slice(0, "2026-01-01T00:00:00".length);
}

/** Like {@link escape}, and escapes tabs and line ends, which an XML parser would replace by blanks. */
export function attribute(text: string): string {
  return escape(text).replaceAll(/[\t\n]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** XML 1.0 has no way at all to carry most control characters. */
export function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    // A reader would make a line feed of it.
    "\r": "&#13;",
  };
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll(/[&<>"\r]/g, (character) => entities[character] ?? character);
}
