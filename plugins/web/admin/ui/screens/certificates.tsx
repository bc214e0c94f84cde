/**
 * Certificates of listeners: for which names, from whom, until when, and renewal at once.
 */
import { t } from '../../../app/ui/language.ts'
import { day, full, plural } from '../format.ts'
import { Empty, Failed, Ghost, Head, type Mark, Station } from '../parts.tsx'
import { useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

interface Certificate {
  readonly id: string
  readonly source: 'file' | 'acme'
  readonly names: readonly string[]
  readonly usedBy: readonly string[]
  readonly issuer: string | null
  readonly until: number | null
  readonly renewAt: number | null
  readonly failure: string | null
}

const DAY_MS = 86_400_000
/** As the server's list of problems has it. */
const SOON_DAYS = 21

function stateOf({ until, failure }: Certificate): readonly [Mark, string] {
  if (until === null) return failure === null ? ['wait', t('Not issued yet')] : ['no', failure]
  const days = Math.floor((until - Date.now()) / DAY_MS)
  if (days < 0) return ['no', t('Ended {{day}}', { day: day(until) })]
  if (failure !== null) return ['no', t('Not renewed: {{failure}}', { failure })]
  return [days < SOON_DAYS ? 'wait' : 'good', plural(days, '{{number}} day left', '{{number}} days left')]
}

export function Certificates() {
  const answer = useApi<{ certificates: readonly Certificate[] }>('/api/v1/certificates')
  const { run } = useShell()
  if (answer.error && !answer.data) return <Failed error={answer.error} onRetry={answer.reload} />
  if (!answer.data) return <Ghost />
  const { certificates } = answer.data
  const renew = (names: readonly string[]) =>
    run({
      title: names.length === 0 ? t('Renew what is due') : t('Renew {{names}}', { names: names.join(', ') }),
      path: '/api/v1/commands/run',
      body: { words: 'acme renew', values: { names } },
      onEnd: answer.reload,
    })
  return (
    <>
      <Head title={t('Certificates')} note={String(certificates.length)}>
        {certificates.some(({ source }) => source === 'acme') ? (
          <button type="button" className="btn" onClick={() => renew([])}>
            {t('Renew what is due')}
          </button>
        ) : null}
      </Head>
      {certificates.length === 0 ? (
        <Empty
          title={t('No certificate')}
          text={t(
            'No listener speaks TLS. The option tls of a listener names files, or the plugin acme() gets certificates by itself.',
          )}
        />
      ) : (
        <div className="sec full scrollx" role="region" aria-label={t('Certificates')} tabIndex={0}>
          <table className="tbl wraps">
            <thead>
              <tr>
                <th scope="col">{t('Names')}</th>
                <th scope="col">{t('State')}</th>
                <th scope="col" className="wide">
                  {t('Issued by')}
                </th>
                <th scope="col" className="wide">
                  {t('Used by')}
                </th>
                <th scope="col">
                  <span className="sr">{t('Actions')}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {certificates.map((one) => (
                <Row key={one.id} certificate={one} onRenew={() => renew([one.id])} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}

function Row({ certificate, onRenew }: { readonly certificate: Certificate; onRenew(): void }) {
  const { id, source, names, usedBy, issuer, until, renewAt } = certificate
  const [mark, state] = stateOf(certificate)
  return (
    <tr>
      <th scope="row">
        {names.length === 0 ? id : names.join(', ')}
        {source === 'file' && names.length > 0 ? <div className="t3 sm">{id}</div> : null}
      </th>
      <td>
        <Station mark={mark}>{state}</Station>
        {until === null ? null : <div className="t3 sm">{t('until {{time}}', { time: full(until) })}</div>}
        {renewAt === null ? null : <div className="t3 sm">{t('to be renewed {{time}}', { time: full(renewAt) })}</div>}
      </td>
      <td className="wide">{issuer ?? ''}</td>
      <td className="t2 wide">{usedBy.join(', ')}</td>
      <td className="num">
        {source === 'acme' ? (
          <button type="button" className="btn small" aria-label={t('Renew {{id}} now', { id })} onClick={onRenew}>
            {t('Renew now')}
          </button>
        ) : null}
      </td>
    </tr>
  )
}
