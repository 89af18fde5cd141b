// Metrics of several processes as if they were of one, and those of processes that are gone.
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from 'prom-client';

/** The metrics of one process, as plain data. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

/** The media type of what {@link metricsText} gives. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** Prometheus' text format, of all of them together. */
export async function metricsText(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot])).metrics();
}

/**
 * What processes had counted before they ended. Without it a sum over processes would fall when one of them
 * ends, and whoever reads it would take all that the others have counted for news.
 */
export class EndedProcesses {
  #counted: Promise<MetricsSnapshot> = Promise.resolve([]);

  /** @param last what the process told last */
  add(last: MetricsSnapshot): void {
    // Gauges tell of what is, and of this process nothing is any more.
    const counted = last.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
    this.#counted = this.#counted.then((before) =>
      AggregatorRegistry.aggregate([[...before], counted]).getMetricsAsJSON(),
    );
  }

  /** To be added to the snapshots of those that are running; empty until one has ended. */
  snapshot(): Promise<MetricsSnapshot> {
    return this.#counted;
  }
}
