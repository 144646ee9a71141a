/** Flags of commands that wait for services. */
export const WAIT_FLAGS = {
  wait: { type: "boolean", default: true, description: "Do not wait for what comes of it" },
  timeout: {
    type: "string",
    default: "90s",
    valueHint: "TIME",
    description: "How long to wait; 75 when the time is up",
  },
} as const;

/** Names of services, of which there may be none. */
export const SERVICE_NAMES = {
  type: "positional",
  required: false,
  repeatable: true,
  description: "Services, instances (web:2) or groups; all without one",
} as const;
