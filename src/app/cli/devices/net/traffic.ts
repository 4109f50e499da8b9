/** The values of `--traffic`: the treatment of frames by a network back-end. */
export const TRAFFIC = ["respond", "echo", "sink", "source"] as const;
export type Traffic = (typeof TRAFFIC)[number];

/** The address of a device that has a configuration space. */
export const DEVICE_MAC = "52:54:00:00:00:02";
