/**
 * Plugins that run, with versions, hooks, services and commands; the order of the hooks; and plugins of npm.
 */

import { type FormEvent, useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { Copy, Empty, Failed, Ghost, Head, SearchField, Segments } from '../parts.tsx'
import { hrefOf, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

interface Plugin {
  readonly name: string
  readonly plugin: string
  readonly place: 'channel' | 'plugin'
  readonly listens: boolean
  readonly delivers: boolean
  readonly hooks: readonly string[]
  readonly offers: readonly string[]
  readonly needs: readonly string[]
  readonly commands: readonly string[]
  readonly version?: string
  readonly package?: string
}
interface Package {
  readonly name: string
  readonly version: string
  readonly description?: string
  readonly date?: string
}

export function Plugins() {
  const [part, setPart] = useState<'running' | 'hooks' | 'npm'>('running')
  const [search, setSearch] = useState('')
  const { me, may } = useShell()
  const plugins = useApi<{ plugins: readonly Plugin[] }>('/api/v1/plugins')
  if (plugins.error) return <Failed error={plugins.error} onRetry={plugins.reload} />
  if (!plugins.data) return <Ghost />
  const mayAdd = may('admin')
  return (
    <>
      <Head title={t('Plugins')} note={String(plugins.data.plugins.length)}>
        {part === 'running' ? (
          <SearchField label={t('Name, hook or command')} value={search} onChange={setSearch} />
        ) : null}
      </Head>
      <div className="subhead">
        <Segments
          label={t('Part')}
          value={part}
          options={[
            ['running', t('Running')],
            ['hooks', t('Hooks in order')],
            ...(mayAdd ? ([['npm', t('Add')]] as const) : []),
          ]}
          onChange={setPart}
        />
      </div>
      {part === 'running' ? <Running plugins={plugins.data.plugins} search={search.toLowerCase()} /> : null}
      {part === 'hooks' ? <Hooks /> : null}
      {part === 'npm' ? <Packages isAllowed={me.features.includes('registry')} /> : null}
    </>
  )
}

const Running = ({ plugins, search }: { readonly plugins: readonly Plugin[]; readonly search: string }) => (
  <ul className="plugs" aria-label={t('Plugins')}>
    {plugins
      .filter((one) => JSON.stringify(one).toLowerCase().includes(search))
      .map((one) => (
        <li key={one.name}>
          <h2>
            {one.name} <span className="tag">{t(one.place)}</span>
            {one.plugin === one.name ? null : <span className="t3 sm"> {one.plugin}</span>}
          </h2>
          <p className="t3 sm">
            {[
              one.package ? `${one.package} ${one.version}` : '',
              one.listens ? t('listens') : '',
              one.delivers ? t('delivers') : '',
              one.offers.length > 0 ? t('offers {{names}}', { names: one.offers.join(', ') }) : '',
              one.needs.length > 0 ? t('needs {{names}}', { names: one.needs.join(', ') }) : '',
            ]
              .filter((fact) => fact !== '')
              .join(' · ')}
          </p>
          {one.hooks.length > 0 ? <p className="t2">{t('Hooks: {{hooks}}', { hooks: one.hooks.join(', ') })}</p> : null}
          {one.commands.length > 0 ? (
            <p className="cmdlinks">
              {one.commands.map((words) => (
                <a key={words} href={hrefOf('commands', words)}>
                  {words}
                </a>
              ))}
            </p>
          ) : null}
        </li>
      ))}
  </ul>
)

function Hooks() {
  const hooks = useApi<{ hooks: Readonly<Record<string, readonly { plugin: string; stage: string }[]>> }>(
    '/api/v1/hooks',
  )
  if (!hooks.data) return <Ghost />
  return (
    <div className="sec full">
      <table className="tbl wraps">
        <thead>
          <tr>
            <th scope="col">{t('Hook')}</th>
            <th scope="col">{t('Plugins, in the order in which they run')}</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(hooks.data.hooks).map(([hook, taps]) => (
            <tr key={hook}>
              <th scope="row">
                <code>{hook}</code>
              </th>
              <td>
                {taps.length === 0 ? (
                  <span className="t3">{t('none')}</span>
                ) : (
                  <ol className="order">
                    {taps.map(({ plugin, stage }) => (
                      <li key={`${plugin} ${stage}`}>
                        {plugin}
                        {stage === 'normal' ? '' : <span className="t3"> {stage}</span>}
                      </li>
                    ))}
                  </ol>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface Installed extends Package {
  readonly range: string
  readonly isCompatible: boolean
}

/** Packages of npm beside the configuration. */
function InstalledPackages() {
  const installed = useApi<{ version: string; packages: readonly Installed[] }>('/api/v1/packages')
  if (!installed.data) return null
  const { version, packages } = installed.data
  return (
    <>
      <h2>{t('Installed beside the configuration')}</h2>
      <p className="t2">
        {t('This is iems {{version}}.', { version })} {packages.length === 0 ? t('No plugin of npm is installed.') : ''}
      </p>
      <ul className="recs">
        {packages.map((one) => (
          <li key={one.name}>
            <span className="b">{one.name}</span> {one.version}
            <span className={one.isCompatible ? 'tag good' : 'tag bad'}>
              {one.isCompatible ? t('fits') : t('made for iems {{range}}', { range: one.range })}
            </span>
            <span className="t2">{one.description}</span>
          </li>
        ))}
      </ul>
    </>
  )
}

function Packages({ isAllowed }: { readonly isAllowed: boolean }) {
  const [found, setFound] = useState<readonly Package[]>()
  const [error, setError] = useState('')
  const [name, setName] = useState('')
  const search = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const asked = String(new FormData(event.currentTarget).get('text') ?? '')
    try {
      setError('')
      setFound(
        (await api<{ packages: readonly Package[] }>('GET', `/api/v1/registry?${new URLSearchParams({ text: asked })}`))
          .packages,
      )
    } catch (cause) {
      setError((cause as Error).message)
    }
  }
  const plugin = name || 'iems-plugin-example'
  const variable = plugin
    .replace(/^(@[^/]+\/)?(iems-plugin-)?/, '')
    .replace(/[-.]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  const lines = `import { ${variable} } from '${plugin}'\n\n// in plugins: [ … ]\n${variable}(),`
  return (
    <div className="sec full">
      <InstalledPackages />
      {isAllowed ? (
        <form className="row" role="search" onSubmit={(event) => void search(event)}>
          <input
            className="input"
            name="text"
            aria-label={t('Search the registry')}
            placeholder={t('Search the registry')}
          />
          <button type="submit" className="btn">
            {t('Search')}
          </button>
        </form>
      ) : (
        <p className="note">
          {t('This server contacts no registry. The option {{option}} allows it.', { option: 'admin({ registry })' })}
        </p>
      )}
      {error ? (
        <p className="note bad" role="alert">
          {error}
        </p>
      ) : null}
      {found?.length === 0 ? (
        <Empty title={t('No package fits')} text={t('Plugins have the keyword iems-plugin.')} />
      ) : null}
      <ul className="cmds">
        {found?.map((one) => (
          <li key={one.name}>
            <button type="button" aria-pressed={one.name === name} onClick={() => setName(one.name)}>
              <span className="b">
                {one.name} <span className="t3">{one.version}</span>
              </span>
              <span className="t2">{one.description}</span>
            </button>
          </li>
        ))}
      </ul>
      <h2>{t('How a plugin is added')}</h2>
      <p className="t2">
        {t('The configuration stays the file: these lines go there, and a reload puts them into effect.')}
      </p>
      <div className="field">
        <label htmlFor="plugin-name">{t('Name of the package')}</label>
        <input
          id="plugin-name"
          value={name}
          placeholder="iems-plugin-example"
          onChange={({ target }) => setName(target.value)}
        />
      </div>
      <h3>{t('In the folder of the configuration')}</h3>
      <pre className="talk">{`npm install ${plugin}`}</pre>
      <h3>{t('In iems.config.ts')}</h3>
      <pre className="talk">{lines}</pre>
      <p>
        <Copy text={lines} label={t('Copy the lines')} />
      </p>
    </div>
  )
}
