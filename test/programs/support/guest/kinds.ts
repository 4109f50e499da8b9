const ON_OFF = ["on", "off"] as const;

/** Every way that a guest's rings can be. */
export const ringKinds = ON_OFF.flatMap((packed) =>
  [1, 4].flatMap((queues) =>
    ON_OFF.flatMap((eventIdx) =>
      ON_OFF.map((indirect) => ({ packed, queues, eventIdx, indirect })),
    ),
  ),
);
