/** What services use, under names that Prometheus takes, ready for an exposition. */
import type { ServiceView } from "../fleet/supervisor/service-view.ts";

/** One metric with its samples. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly samples: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

interface Measure {
  readonly name: string;
  readonly help: string;
  readonly type: Metric["type"];
  /** Null: nothing is known. */
  readonly of: (one: ServiceView) => number | null;
}

const MEASURES: readonly Measure[] = [
  {
    name: "fleetd_service_up",
    help: "Whether the service is ready.",
    type: "gauge",
    of: (one) => Number(one.ready),
  },
  {
    name: "fleetd_service_cpu_seconds_total",
    help: "Processor time of all its processes since the monitor began to look.",
    type: "counter",
    of: ({ usage }) => (usage === null ? null : usage.cpuMs / 1000),
  },
  {
    name: "fleetd_service_memory_bytes",
    help: "Resident memory of all its processes.",
    type: "gauge",
    of: ({ usage }) => usage?.residentBytes ?? null,
  },
  {
    name: "fleetd_service_processes",
    help: "Processes of the service.",
    type: "gauge",
    of: ({ usage }) => usage?.processes ?? null,
  },
  {
    name: "fleetd_service_restarts_total",
    help: "Starts by itself since a person started it last.",
    type: "counter",
    of: (one) => one.restarts,
  },
  {
    name: "fleetd_service_start_time_seconds",
    help: "When it was started, seconds since the epoch.",
    type: "gauge",
    of: ({ startedWallMs }) => (startedWallMs === null ? null : startedWallMs / 1000),
  },
];

/** All metrics of these instances. */
export const serviceMetrics = (services: readonly ServiceView[]): readonly Metric[] =>
  MEASURES.map(({ of, ...measure }) => ({
    ...measure,
    samples: services.flatMap((one) => {
      const value = of(one);
      return value === null ? [] : [{ labels: { service: one.service, instance: one.name }, value }];
    }),
  }));
