/**
 * Metrics in the text format of Prometheus, version 0.0.4.
 *
 * Invariants: a metric is written once, with its help and type before its series; values of labels are escaped.
 */
import type { MetricStatus } from 'iems'

type Series = MetricStatus['series'][number]

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"')

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
}

function linesOf(name: string, { labels, value, count, buckets = [] }: Series): string {
  if (count === undefined) return line(name, labels, value)
  return [
    ...buckets.map(([bound, within]) => line(`${name}_bucket`, { ...labels, le: String(bound) }, within)),
    line(`${name}_bucket`, { ...labels, le: '+Inf' }, count),
    line(`${name}_sum`, labels, value),
    line(`${name}_count`, labels, count),
  ].join('')
}

/** Metrics without a series are left out. */
export function prometheusText(metrics: readonly MetricStatus[]): string {
  return metrics
    .filter(({ series }) => series.length > 0)
    .map(({ name, kind, help, series }) => {
      const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`
      return head + series.map((one) => linesOf(name, one)).join('')
    })
    .join('')
}
