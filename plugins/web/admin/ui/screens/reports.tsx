/**
 * Reports of other servers on DMARC and TLS: by day as a chart, by report, and by the servers that sent in our name.
 */
import { t } from '../../../app/ui/language.ts'
import { Chart } from '../chart.tsx'
import { count } from '../format.ts'
import { Empty, Ghost, Scroller, Station } from '../parts.tsx'
import { useOutput } from '../use-output.ts'

/** A report as charts and tables show it. */
interface Report {
  readonly isSent: boolean
  readonly day: string
  readonly about: string
  readonly by: string
  readonly passed: number
  readonly failed: number
  readonly why: string
}
type Value = Readonly<Record<string, unknown>>

const dayOf = (seconds: unknown): string => new Date(Number(seconds ?? 0) * 1000).toISOString().slice(0, 10)

/** Rows of `dmarc reports` and `tls reports`. */
function reportOf(value: Value): Report {
  const { kind, day, begin, domain, domains, organization, messages, passed, succeeded, failed, failures } = value
  const good = Number(succeeded ?? passed ?? 0)
  const isSent = kind === 'sent'
  return {
    isSent,
    day: String(day ?? dayOf(begin)),
    about: [domains ?? domain].flat().join(', '),
    by: isSent ? t('this server') : String(organization ?? ''),
    passed: good,
    failed: Number(failed ?? (isSent ? 0 : Number(messages ?? 0) - good)),
    why: Array.isArray(failures) ? failures.join(', ') : '',
  }
}

interface Sender {
  readonly ip: string
  readonly domain: string
  readonly messages: number
  readonly passed: number
  /** Treatment of failed messages by their receivers. */
  readonly treated: string
}

/** Senders shown at most, those with most failures first. */
const MAX_SENDERS = 100

/** The servers that sent in the name of our domains, from the rows of DMARC reports. */
function sendersOf(values: readonly Value[]): readonly Sender[] {
  const found = new Map<string, Sender>()
  for (const { domain, rows } of values) {
    if (!Array.isArray(rows)) continue
    for (const { ip, count: messages, dkim, spf, disposition } of rows) {
      const at = `${ip} ${domain}`
      const last = found.get(at) ?? { ip, domain: String(domain), messages: 0, passed: 0, treated: '' }
      const isGood = dkim === 'pass' || spf === 'pass'
      found.set(at, {
        ...last,
        messages: last.messages + Number(messages),
        passed: last.passed + (isGood ? Number(messages) : 0),
        treated: isGood ? last.treated : String(disposition),
      })
    }
  }
  const failed = ({ messages, passed }: Sender) => messages - passed
  return [...found.values()].sort((a, b) => failed(b) - failed(a) || b.messages - a.messages).slice(0, MAX_SENDERS)
}

const Senders = ({ senders }: { readonly senders: readonly Sender[] }) => (
  <section aria-labelledby="senders">
    <h2 id="senders">{t('Servers that sent in the name of your domains')}</h2>
    <Scroller heading="senders">
      <table className="tbl">
        <thead>
          <tr>
            <th scope="col">{t('Server')}</th>
            <th scope="col">{t('Domain')}</th>
            <th scope="col" className="num">
              {t('Passed')}
            </th>
            <th scope="col" className="num">
              {t('Failed')}
            </th>
            <th scope="col">{t('Receivers did')}</th>
          </tr>
        </thead>
        <tbody>
          {senders.map(({ ip, domain, messages, passed, treated }) => (
            <tr key={`${ip} ${domain}`}>
              <th scope="row">
                <Station mark={passed === messages ? 'good' : passed > 0 ? 'wait' : 'no'}>{ip}</Station>
              </th>
              <td>{domain}</td>
              <td className="num">{count(passed)}</td>
              <td className="num">{count(messages - passed)}</td>
              <td className="t2">{treated}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  </section>
)

export function Reports({ words, record }: { readonly words: string; readonly record: string }) {
  const lines = useOutput(words, {})
  if (!lines) return <Ghost />
  const values = lines.flatMap((line) => ('value' in line && line.value ? [line.value as Value] : []))
  const reports = values.map(reportOf)
  if (reports.length === 0)
    return (
      <Empty
        title={t('No report yet')}
        text={t('Other servers send a report a day once the {{record}} record of a domain names an address for them.', {
          record,
        })}
      />
    )
  const senders = sendersOf(values)
  const days = new Map<string, { passed: number; failed: number }>()
  for (const { day, passed, failed, isSent } of reports) {
    if (isSent) continue
    const sum = days.get(day) ?? { passed: 0, failed: 0 }
    days.set(day, { passed: sum.passed + passed, failed: sum.failed + failed })
  }
  const ordered = [...days].sort(([a], [b]) => (a < b ? -1 : 1))
  return (
    <div className="sec full">
      {ordered.length > 1 ? (
        <div className="flow">
          <Chart
            label={t('Reported by day')}
            times={ordered.map(([day]) => Date.parse(day))}
            series={[
              { name: t('Passed'), line: 'in', values: ordered.map(([, { passed }]) => passed) },
              { name: t('Failed'), line: 'ref', values: ordered.map(([, { failed }]) => failed) },
            ]}
          />
        </div>
      ) : null}
      {senders.length > 0 ? <Senders senders={senders} /> : null}
      <h2 id="reports">{t('Reports')}</h2>
      <Scroller heading="reports">
        <table className="tbl">
          <thead>
            <tr>
              <th scope="col">{t('Day')}</th>
              <th scope="col">{t('Domain')}</th>
              <th scope="col">{t('By')}</th>
              <th scope="col" className="num">
                {t('Passed')}
              </th>
              <th scope="col" className="num">
                {t('Failed')}
              </th>
              <th scope="col" className="wide">
                {t('Why')}
              </th>
            </tr>
          </thead>
          <tbody>
            {reports.map((one, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: reports have no other names
              <tr key={index}>
                <td>{one.day}</td>
                <td>{one.about}</td>
                <td>{one.by}</td>
                <td className="num">{count(one.passed)}</td>
                <td className="num">{count(one.failed)}</td>
                <td className="t2 wide">
                  <span className="cut cell-value">{one.why}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </div>
  )
}
