import type { DeviceKind } from "../kind.ts";

const STATUS = { 0: "OK", 1: "ENOSYS", 2: "EOPNOTSUPP", 3: "EINVAL", 4: "ENODEV", 5: "EIO" };
const MESSAGES = {
  0x0001: "READ",
  0x0002: "READ_CROSS",
  0x1000: "CFG",
  0x1001: "CLOCK_CAP",
  0x1002: "CROSS_CAP",
  0x1003: "READ_ALARM",
  0x1004: "SET_ALARM",
  0x1005: "SET_ALARM_ENABLED",
};

/** The real-time clock device (VIRTIO 1.4, 5.23). */
export const rtcKind: DeviceKind = {
  name: "rtc",
  id: 17,
  features: [[0, "VIRTIO_RTC_F_ALARM", "clocks can raise alarms"]],
  queues: { once: ["requestq", "alarmq"] },
  chains: {
    requestq: {
      request: [
        { name: "message", at: 0, bytes: 2, names: MESSAGES, hex: true },
        { name: "clock", at: 8, bytes: 2 },
      ],
      reply: [{ name: "status", at: 0, bytes: 1, names: STATUS }],
      status: { field: "status", ok: [0] },
    },
    alarmq: { reply: [{ name: "clock", at: 8, bytes: 2 }] },
  },
};
