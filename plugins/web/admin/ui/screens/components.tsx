/**
 * Components of this server and of the servers that share the store: start, stop, drain, and the end of the server.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { moment, span } from '../format.ts'
import { Failed, Ghost, Head, type Mark, Scroller, SearchField, Station } from '../parts.tsx'
import { useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

export interface Component {
  readonly name: string
  readonly plugin: string
  readonly kind: 'listener' | 'delivery' | 'job' | 'background'
  readonly state: 'running' | 'stopped' | 'draining' | 'failed'
  readonly why?: string
  readonly since: number
}
interface Node {
  readonly name: string
  readonly pid: number
  readonly since: number
  readonly seen: number
  readonly state: 'running' | 'silent'
  readonly isOwn: boolean
  readonly components: readonly Component[]
}

const LOOK_MS = 5000
const MARKS: Readonly<Record<Component['state'], Mark>> = {
  running: 'good',
  stopped: 'off',
  draining: 'step',
  failed: 'no',
}

export const ComponentTable = ({
  components,
  onSet,
}: {
  readonly components: readonly Component[]
  onSet?(component: Component): void
}) => (
  <Scroller label={t('Components')}>
    <table className="tbl comp">
      <thead>
        <tr>
          <th scope="col">{t('Component')}</th>
          <th scope="col">{t('State')}</th>
          <th scope="col" className="wide">
            {t('Kind')}
          </th>
          <th scope="col" className="num roomy">
            {t('Since')}
          </th>
          {onSet ? (
            <th scope="col">
              <span className="sr">{t('Change')}</span>
            </th>
          ) : null}
        </tr>
      </thead>
      <tbody>
        {components.map((component) => (
          <tr key={component.name}>
            <th scope="row">{component.name}</th>
            <td>
              <Station mark={MARKS[component.state]}>
                {t(component.state)}
                {component.why ? `: ${component.why}` : ''}
              </Station>
            </td>
            <td className="t2 wide">{t(component.kind)}</td>
            <td className="num t2 roomy">{moment(component.since)}</td>
            {onSet ? (
              <td className="num">
                <button type="button" className="btn small" onClick={() => onSet(component)}>
                  {component.state === 'running' ? t('Stop') : t('Start')}
                  <span className="sr"> {component.name}</span>
                </button>
              </td>
            ) : null}
          </tr>
        ))}
      </tbody>
    </table>
  </Scroller>
)

export function Components() {
  const { may, say, sure } = useShell()
  const [search, setSearch] = useState('')
  const components = useApi<{ components: readonly Component[] }>('/api/v1/components', LOOK_MS)
  const nodes = useApi<{ nodes: readonly Node[] }>('/api/v1/nodes', LOOK_MS)
  const act = async (path: string, method: string, body: unknown, done: string) => {
    try {
      await api(method, path, body)
      say(done)
    } catch (cause) {
      say((cause as Error).message, true)
    }
    components.reload()
    nodes.reload()
  }
  const set = async ({ name, state, kind }: Component) => {
    const isStop = state === 'running'
    const isSure =
      !isStop ||
      kind !== 'listener' ||
      (await sure({
        title: t('Stop {{name}}?', { name }),
        text: t(
          'It takes no new connections, finishes the sessions it has, and stays stopped until it is started again.',
        ),
        action: t('Stop'),
      }))
    if (isSure)
      await act(
        `/api/v1/components/${encodeURIComponent(name)}`,
        'PUT',
        { state: isStop ? 'stopped' : 'running' },
        isStop ? t('{{name}} is stopped', { name }) : t('{{name}} is running', { name }),
      )
  }
  const stop = async () => {
    if (
      await sure({
        title: t('Stop the server?'),
        text: t('It finishes what it is doing and ends. It can be started again only on the machine itself.'),
        action: t('Stop the server'),
      })
    )
      await act('/api/v1/stop', 'POST', {}, t('The server is stopping'))
  }
  if (components.error && !components.data) return <Failed error={components.error} onRetry={components.reload} />
  const all = components.data?.components
  const shown = all?.filter(({ name, state }) => `${name} ${state}`.toLowerCase().includes(search.toLowerCase()))
  return (
    <>
      <Head title={t('Components')} note={all ? String(all.length) : undefined}>
        <SearchField label={t('Name or state')} value={search} onChange={setSearch} />
        {may('admin') ? (
          <button
            type="button"
            className="btn"
            onClick={() => void act('/api/v1/reload', 'POST', {}, t('The configuration was read again'))}
          >
            {t('Reload')}
          </button>
        ) : null}
        {may('admin') ? (
          <button type="button" className="btn" onClick={() => void stop()}>
            {t('Stop the server…')}
          </button>
        ) : null}
      </Head>
      {shown ? (
        <section className="sec full" aria-label={t('This server')}>
          <ComponentTable components={shown} {...(may('admin') ? { onSet: (one) => void set(one) } : {})} />
        </section>
      ) : (
        <Ghost />
      )}
      <section className="sec full" aria-labelledby="nodes">
        <h2 id="nodes">{t('Servers that share the store')}</h2>
        <ul className="rc">
          {(nodes.data?.nodes ?? []).map((node) => {
            const stopped = node.components.filter(({ state }) => state !== 'running')
            return (
              <li key={node.name}>
                <Station mark={node.state === 'running' ? 'good' : 'no'}>
                  <span className="b">{node.name}</span>
                </Station>
                <span className="t2">
                  {node.isOwn ? `${t('this server')}, ` : ''}
                  {node.state === 'running'
                    ? t('running for {{time}}', { time: span(Date.now() - node.since) })
                    : t('not heard of since {{time}}', { time: moment(node.seen) })}
                  {stopped.length > 0
                    ? `; ${t('not running: {{names}}', { names: stopped.map(({ name }) => name).join(', ') })}`
                    : ''}
                </span>
              </li>
            )
          })}
        </ul>
        {nodes.data?.nodes.length === 0 ? (
          <p className="t2">{t('This server keeps its records in memory, alone.')}</p>
        ) : null}
      </section>
    </>
  )
}
