/**
 * Mailing lists: members in any number, ten thousand pasted at once, moderation, settings; by the commands `list …`.
 */

import { useCallback, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { type Column, DataTable } from '../data-table.tsx'
import { count, moment, plural } from '../format.ts'
import { Empty, Failed, Ghost, Head, SearchField, Segments } from '../parts.tsx'
import { go, hrefOf, usePlace, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import type { CommandInfo } from './commands.tsx'
import { CommandForm } from './commands.tsx'
import { HeldPosts } from './held-posts.tsx'

interface List {
  readonly id: string
  readonly address: string
  readonly created: number
  readonly settings: Readonly<Record<string, unknown>>
  /** Posts and requests that await a decision. */
  readonly held: number
  /** Path of its archive. */
  readonly archive: string | null
}
interface Member {
  readonly id: string
  readonly address: string
  readonly name?: string
  readonly delivery: string
  readonly since: number
  readonly moderated: boolean
}

const rowsOf = (answer: { members: readonly Omit<Member, 'id'>[] }): readonly Member[] =>
  answer.members.map((member) => ({ id: member.address, ...member }))
const GETS: Readonly<Record<string, string>> = {
  post: t('each post'),
  mime: t('digest'),
  plain: t('digest as text'),
  none: t('no mail'),
}
const COLUMNS: readonly Column<Member>[] = [
  { id: 'address', title: t('Address'), show: ({ address }) => address },
  { id: 'name', title: t('Name'), isWide: true, show: ({ name }) => name ?? '' },
  { id: 'delivery', title: t('Gets'), width: '112px', show: ({ delivery }) => GETS[delivery] ?? delivery },
  {
    id: 'since',
    title: t('Member since'),
    width: '120px',
    isNumber: true,
    isWide: true,
    show: ({ since }) => moment(since),
  },
]

/** Lists in sight; with more, the search finds them. */
const MAX_LISTS = 500

export function Lists() {
  const [, address] = usePlace()
  const lists = useApi<{ lists: readonly List[] }>('/api/v1/lists')
  const commands = useApi<{ commands: readonly CommandInfo[] }>('/api/v1/commands')
  const [isAdding, setIsAdding] = useState(false)
  const [search, setSearch] = useState('')
  const of = (words: string) => commands.data?.commands.find((one) => one.words === words)
  if (lists.error && !lists.data) return <Failed error={lists.error} onRetry={lists.reload} />
  if (!lists.data) return <Ghost />
  const list = lists.data.lists.find((one) => one.address === address)
  const add = of('list add')
  const fitting = lists.data.lists.filter((one) => one.address.includes(search.toLowerCase()))
  return (
    <div className="fill">
      {list ? (
        <ListScreen key={list.id} list={list} of={of} onChange={lists.reload} />
      ) : (
        <>
          <Head title={t('Lists')} note={String(lists.data.lists.length)}>
            <SearchField label={t('Address')} value={search} onChange={setSearch} />
            <button type="button" className="btn main" onClick={() => setIsAdding(true)}>
              <Icon name="plus" small />
              {t('Add')}
            </button>
          </Head>
          {fitting.length === 0 ? (
            <Empty
              title={search ? t('Nothing fits') : t('No list yet')}
              text={t('A list sends each post to all of its members.')}
            />
          ) : (
            <ul className="cmds" aria-label={t('Lists')}>
              {fitting.slice(0, MAX_LISTS).map(({ id, address: at, settings, created, held }) => (
                <li key={id}>
                  <a href={held === 0 ? hrefOf('lists', at) : hrefOf('lists', at, 'held')}>
                    <span className="b">{at}</span>
                    <span className="t2">
                      {String(settings.name ?? settings.description ?? '')}{' '}
                      {t('since {{time}}', { time: moment(created) })}
                    </span>
                    {held === 0 ? null : (
                      <span className="warn">
                        {plural(held, '{{number}} entry to decide', '{{number}} entries to decide')}
                      </span>
                    )}
                  </a>
                </li>
              ))}
              {fitting.length > MAX_LISTS ? <li className="t2">{t('There are more: narrow the search.')}</li> : null}
            </ul>
          )}
        </>
      )}
      {isAdding && add ? (
        <Dialog title={t('Add a list')} className="dialog large" onClose={() => setIsAdding(false)}>
          <CommandForm command={add} action={t('Add')} onEnd={lists.reload} />
        </Dialog>
      ) : null}
    </div>
  )
}

interface ListScreenProps {
  readonly list: List
  of(words: string): CommandInfo | undefined
  onChange(): void
}

type Part = 'members' | 'held' | 'settings'

function ListScreen({ list: { address, settings, held, archive }, of, onChange }: ListScreenProps) {
  const [, , asked] = usePlace()
  const part: Part = asked === 'held' || asked === 'settings' ? asked : 'members'
  const [search, setSearch] = useState('')
  const [total, setTotal] = useState<number>()
  const [version, setVersion] = useState(0)
  const [isPasting, setIsPasting] = useState(false)
  const { run } = useShell()
  const changed = useCallback(() => setVersion((last) => last + 1), [])
  const [set, paste, remove] = [of('list set'), of('list import'), of('list remove')]
  return (
    <>
      <Head
        title={address}
        note={
          part === 'settings' || total === undefined
            ? undefined
            : part === 'members'
              ? plural(total, '{{number}} member', '{{number}} members')
              : t('{{number}} held', { number: count(total) })
        }
      >
        {part === 'settings' ? null : (
          <SearchField
            label={part === 'members' ? t('Address or name') : t('Author or subject')}
            value={search}
            onChange={setSearch}
          />
        )}
        {paste && part === 'members' ? (
          <button type="button" className="btn main" onClick={() => setIsPasting(true)}>
            <Icon name="plus" small />
            {t('Add members')}
          </button>
        ) : null}
      </Head>
      <div className="subhead row">
        <a className="btn small" href={hrefOf('lists')}>
          <Icon name="left" small />
          {t('All lists')}
        </a>
        <Segments
          label={t('Part')}
          value={part}
          options={[
            ['members', t('Members')],
            ['held', held === 0 ? t('Held') : t('Held {{held}}', { held })],
            ['settings', t('Settings')],
          ]}
          onChange={(wanted) => {
            setTotal(undefined)
            go('lists', address, wanted)
          }}
        />
        {archive ? (
          <a className="btn small" href={archive} target="_blank" rel="noreferrer">
            <Icon name="archive" small />
            {t('Archive')}
          </a>
        ) : null}
      </div>
      {part === 'members' ? (
        <DataTable<Member>
          label={t('Members')}
          path={`/api/v1/lists/${encodeURIComponent(address)}/members`}
          filter={{ search }}
          rowsOf={rowsOf}
          columns={COLUMNS}
          version={version}
          onTotal={setTotal}
          empty={{ title: t('No member fits'), text: t('Paste addresses, one on each line, to add members.') }}
          actions={({ ids, clear }) => (
            <button
              type="button"
              className="btn plain bad"
              disabled={ids === undefined}
              onClick={() => {
                run({
                  title: t('Remove {{number}} members of {{address}}', { number: ids?.length, address }),
                  path: '/api/v1/commands/run',
                  body: { words: 'list import', values: { list: address, action: 'remove' }, input: ids?.join('\n') },
                  onEnd: changed,
                })
                clear()
              }}
            >
              {t('Remove')}
            </button>
          )}
        />
      ) : part === 'held' ? (
        <HeldPosts address={address} search={search} onTotal={setTotal} onChange={onChange} />
      ) : (
        <div className="sec full">
          {set ? (
            <CommandForm
              command={set}
              fixed={{ list: address }}
              values={settings}
              action={t('Save')}
              onEnd={onChange}
            />
          ) : null}
          {remove ? (
            <details>
              <summary className="bad">{t('Delete the list')}</summary>
              <CommandForm command={remove} fixed={{ list: address }} action={t('Delete the list')} onEnd={onChange} />
            </details>
          ) : null}
        </div>
      )}
      {isPasting && paste ? (
        <Dialog
          title={t('Members of {{address}}', { address })}
          className="dialog large"
          onClose={() => setIsPasting(false)}
        >
          <p className="t2">
            {t('One address on each line, or a table with a header. Faults are listed; the others are done.')}
          </p>
          <CommandForm command={paste} fixed={{ list: address }} action={t('Do it')} onEnd={changed} />
          <footer>
            <button type="button" className="btn" onClick={() => setIsPasting(false)}>
              {t('Close')}
            </button>
          </footer>
        </Dialog>
      ) : null}
    </>
  )
}
