/**
 * Counters, gauges and histograms over prom-client.
 *
 * Each metric stands in two registries, because the two text formats name counters differently:
 * one prints Prometheus text, the other OpenMetrics 1.0. Which is asked for is HTTP's question.
 */

import * as prom from 'prom-client'

type Labels = Readonly<Record<string, string>>

/** Only ever grows. */
export interface Counter {
  add(amount?: number, labels?: Labels): void
}

/** Goes up and down. */
export interface Gauge {
  set(value: number, labels?: Labels): void
}

/** How values are spread over buckets. */
export interface Histogram {
  observe(value: number, labels?: Labels): void
}

/** Where the metrics of one node are made and printed. */
export class Registry {
  readonly #text = new prom.Registry()
  readonly #open = new prom.Registry<prom.OpenMetricsContentType>()

  constructor() {
    this.#open.setContentType(prom.openMetricsContentType)
  }

  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    const counter = new prom.Counter({ ...this.#head(name, help, labels) })
    return { add: (amount = 1, values = {}) => counter.inc(values, amount) }
  }

  /** `read`, when given, is asked for the value at each scrape. */
  gauge(
    name: string,
    help: string,
    options: { labels?: readonly string[]; read?: () => number } = {},
  ): Gauge {
    const { read, labels = [] } = options
    const head = this.#head(name, help, labels)
    const gauge: prom.Gauge = new prom.Gauge(
      read === undefined ? head : { ...head, collect: () => gauge.set(read()) },
    )
    return { set: (value, values = {}) => gauge.set(values, value) }
  }

  histogram(
    name: string,
    help: string,
    options: { labels?: readonly string[]; buckets: readonly number[] },
  ): Histogram {
    const head = this.#head(name, help, options.labels ?? [])
    const histogram = new prom.Histogram({ ...head, buckets: [...options.buckets] })
    return { observe: (value, values = {}) => histogram.observe(values, value) }
  }

  /** Prometheus text, version 0.0.4. */
  async prometheusText(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#text.contentType, body: await this.#text.metrics() }
  }

  /** OpenMetrics text, version 1.0.0, closed by `# EOF`. */
  async openMetricsText(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#open.contentType, body: await this.#open.metrics() }
  }

  /** Samples of a counter or gauge that have all these labels, added up; 0 while there is none. */
  async total(name: string, labels: Labels = {}): Promise<number> {
    const found = await this.#text.getSingleMetric(name)?.get()
    const wanted = Object.entries(labels)
    return (found?.values ?? [])
      .filter((sample) => wanted.every(([label, value]) => sample.labels[label] === value))
      .reduce((sum, { value }) => sum + value, 0)
  }

  #head(name: string, help: string, labels: readonly string[]) {
    return { name, help, labelNames: [...labels], registers: [this.#text, this.#open] }
  }
}
