/** What a network back-end does with frames, see `--traffic`. */
export const TRAFFIC = ["respond", "echo", "sink", "source"] as const;
export type Traffic = (typeof TRAFFIC)[number];
