/** Parts of a line that are set off by a style. */
export type TraceStyle = (part: "time" | "request" | "violation" | "note", text: string) => string;
