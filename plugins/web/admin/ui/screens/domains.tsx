/**
 * Domains: what each has in the DNS and what it should have, its keys, and its catch-all.
 */

import { type FormEvent, useCallback, useEffect, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { api, stream } from '../api.ts'
import { type Column, DataTable, MODIFIED } from '../data-table.tsx'
import { count } from '../format.ts'
import { Copy, Failed, Ghost, Head, type Mark, SearchField, Station } from '../parts.tsx'
import { go, usePlace, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import type { CommandInfo } from './commands.tsx'
import { CommandForm } from './commands.tsx'

interface Domain {
  readonly id: string
  readonly name: string
  readonly modified: number
}
interface DomainEntry {
  readonly entry: { readonly id: string; readonly name: string; readonly aliasOf?: string; readonly catchAll?: string }
}

const rowsOf = (answer: { entries: readonly Domain[] }) => answer.entries
const COLUMNS: readonly Column<Domain>[] = [
  {
    id: 'name',
    title: t('Domain'),
    sorts: true,
    show: ({ name }) => name,
  },
  MODIFIED,
]

export function Domains() {
  const { may } = useShell()
  const [, id] = usePlace()
  const [search, setSearch] = useState('')
  const [total, setTotal] = useState<number>()
  const [version, setVersion] = useState(0)
  const [isAdding, setIsAdding] = useState(false)
  const changed = useCallback(() => setVersion((last) => last + 1), [])
  return (
    <div className="fill">
      <Head title={t('Domains')} note={total === undefined ? undefined : count(total)}>
        <SearchField label={t('Domain')} value={search} onChange={setSearch} />
        {may('admin') ? (
          <button type="button" className="btn main" onClick={() => setIsAdding(true)}>
            <Icon name="plus" small />
            {t('Add')}
          </button>
        ) : null}
      </Head>
      <div className={id ? 'pp even' : 'pp single'}>
        <DataTable<Domain>
          label={t('Domains')}
          path="/api/v1/directory/domain"
          filter={{ search }}
          rowsOf={rowsOf}
          columns={COLUMNS}
          version={version}
          opened={id}
          onOpen={(one) => go('domains', one.id)}
          onTotal={setTotal}
          empty={
            search
              ? { title: t('Nothing fits'), text: t('No domain has this name.') }
              : { title: t('No domain yet'), text: t('Mail is accepted for the domains that are here.') }
          }
        />
        {id ? <DomainPanel key={id} id={id} onChange={changed} /> : null}
      </div>
      {isAdding ? (
        <AddDomain
          onClose={() => setIsAdding(false)}
          onDone={(added) => {
            setIsAdding(false)
            changed()
            go('domains', added)
          }}
        />
      ) : null}
    </div>
  )
}

function AddDomain({ onClose, onDone }: { onClose(): void; onDone(id: string): void }) {
  const [error, setError] = useState('')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const name = String(new FormData(event.currentTarget).get('name')).trim()
    try {
      onDone((await api<Domain>('POST', '/api/v1/directory/domain', { name })).id)
    } catch (cause) {
      setError((cause as Error).message)
    }
  }
  return (
    <Dialog title={t('Add a domain')} onClose={onClose}>
      <form className="sform" onSubmit={(event) => void submit(event)}>
        <div className={error ? 'field err' : 'field'}>
          <label htmlFor="domain-name">{t('Name')}</label>
          <input id="domain-name" name="name" required spellCheck={false} autoComplete="off" />
          {error ? (
            <span className="msg" role="alert">
              {error}
            </span>
          ) : null}
        </div>
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            {t('Cancel')}
          </button>
          <button type="submit" className="btn main">
            {t('Add')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

function DomainPanel({ id, onChange }: { readonly id: string; onChange(): void }) {
  const { may, say, sure } = useShell()
  const path = `/api/v1/directory/domain/${encodeURIComponent(id)}`
  const answer = useApi<DomainEntry>(path)
  const commands = useApi<{ commands: readonly CommandInfo[] }>(may('status:read') ? '/api/v1/commands' : undefined)
  if (answer.error) return <Failed error={answer.error} />
  if (!answer.data) return <Ghost />
  const { name, catchAll = '', aliasOf } = answer.data.entry
  const save = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const value = String(new FormData(event.currentTarget).get('catchAll')).trim()
    try {
      await api('PATCH', path, { catchAll: value || null })
      say(t('Saved'))
    } catch (cause) {
      say((cause as Error).message, true)
    }
  }
  const remove = async () => {
    const text = t('Mail for it is refused from now on. Its accounts must have been removed before.')
    if (!(await sure({ title: t('Delete {{name}}?', { name }), text, action: t('Delete') }))) return
    try {
      await api('DELETE', path)
      onChange()
      go('domains')
    } catch (cause) {
      say((cause as Error).message, true)
    }
  }
  const has = (words: string) => commands.data?.commands.find((one) => one.words === words)
  const dkim = has('dkim add')
  const [check, records, publish] = ['domain check', 'domain records', 'domain publish'].map(has)
  return (
    <section className="panel wider" aria-label={name}>
      <header>
        <h2>{name}</h2>
        {aliasOf ? <p className="t2">{t('Its addresses are those of {{domain}}.', { domain: aliasOf })}</p> : null}
      </header>
      {check ? (
        <Records words="domain check" values={{ [fieldOf(check)]: name }} title={t('Records in the DNS')} isTable />
      ) : null}
      {records ? (
        <details>
          <summary>{t('Records to publish')}</summary>
          <Records words="domain records" values={{ [fieldOf(records)]: name }} title={t('Lines of a zone file')} />
        </details>
      ) : null}
      {publish && may('admin') ? (
        <details>
          <summary>{t('Publish what is missing or wrong')}</summary>
          <CommandForm command={publish} fixed={{ [fieldOf(publish)]: name }} action={t('Publish')} />
        </details>
      ) : null}
      {has('dkim list') ? <Records words="dkim list" values={{}} about={name} title={t('DKIM keys')} /> : null}
      {dkim && may('admin') ? (
        <details>
          <summary>{t('Make a DKIM key')}</summary>
          <CommandForm command={dkim} fixed={{ domain: name }} action={t('Make the key')} />
        </details>
      ) : null}
      {may('admin') ? (
        <form className="sform" onSubmit={(event) => void save(event)}>
          <div className="field">
            <label htmlFor="catch-all">{t('Mail for unknown addresses goes to')}</label>
            <input id="catch-all" name="catchAll" defaultValue={catchAll} spellCheck={false} />
            <span className="hint">{t('Empty: it is refused')}</span>
          </div>
          <div className="row">
            <button type="submit" className="btn">
              {t('Save')}
            </button>
            <span className="grow" />
            <button type="button" className="btn plain bad" onClick={() => void remove()}>
              {t('Delete…')}
            </button>
          </div>
        </form>
      ) : null}
    </section>
  )
}

/** The field of a command's first argument. */
const fieldOf = ({ arguments: [first = 'name'] }: CommandInfo): string => first.replace(/[<>[\].]/g, '')

interface Said {
  readonly text: string
  readonly value?: Readonly<Record<string, unknown>>
}

/** The output of a command about the domain, with records to copy. */
function Records({
  words,
  values,
  about,
  title,
  isTable = false,
}: {
  readonly words: string
  readonly values: object
  readonly about?: string
  readonly title: string
  readonly isTable?: boolean
}) {
  const [said, setSaid] = useState<readonly Said[]>()
  const [error, setError] = useState('')
  const given = JSON.stringify(values)
  const load = useCallback(async () => {
    const found: Said[] = []
    try {
      for await (const line of stream(
        '/api/v1/commands/run',
        { words, values: JSON.parse(given) },
        AbortSignal.timeout(60_000),
      )) {
        if ('text' in line) found.push(line as Said)
        if ('end' in line && line.why) setError(line.why)
      }
    } catch (cause) {
      setError((cause as Error).message)
    }
    setSaid(found)
  }, [words, given])
  useEffect(() => void load(), [load])
  const shown = said?.filter(({ text }) => about === undefined || text.includes(about))
  return (
    <section aria-label={title}>
      <div className="row">
        <h3 className="grow">{title}</h3>
        <button type="button" className="btn small" onClick={() => void load()}>
          {t('Check again')}
        </button>
      </div>
      {error ? <p className="note warn">{error}</p> : null}
      {!said ? <Ghost rows={3} /> : null}
      {shown?.length === 0 ? <p className="t2">{t('None yet.')}</p> : null}
      <ul className="recs">
        {shown?.map(({ text, value }) => (
          <Finding key={text} text={text} value={value ?? {}} isTable={isTable} />
        ))}
      </ul>
    </section>
  )
}

const MARKS: Readonly<Record<string, Mark>> = { ok: 'good', missing: 'no', wrong: 'no', unclear: 'wait' }

/** A line of output: a finding with its cure, a record with its lines to copy, or text. */
function Finding({ text, value, isTable }: Required<Said> & { readonly isTable: boolean }) {
  const {
    state,
    text: sentence,
    cure,
    lines,
  } = value as {
    readonly state?: string
    readonly text?: string
    readonly cure?: string
    readonly lines?: readonly string[]
  }
  return (
    <li>
      <span className="grow">
        {isTable && state ? (
          <Station mark={MARKS[state] ?? 'wait'}>
            <span className="sr">{state}: </span>
            {sentence ?? text}
          </Station>
        ) : lines ? (
          <code>{lines.join('\n')}</code>
        ) : (
          text
        )}
        {cure ? <p className="t2 cure">{cure}</p> : null}
      </span>
      {lines ? <Copy text={lines.join('\n')} label={t('Copy')} /> : null}
    </li>
  )
}
