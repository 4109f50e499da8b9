/** What a network back-end does with frames, see `--traffic`. */
export const TRAFFIC = ["respond", "echo", "sink", "source"] as const;
export type Traffic = (typeof TRAFFIC)[number];

/** The address of a device that has a configuration space. */
export const DEVICE_MAC = "52:54:00:00:00:02";
