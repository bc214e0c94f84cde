/**
 * People: accounts, groups and aliases in lists of any length; one entry in the panel beside; thousands at once.
 */

import { useCallback, useState } from 'react'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { type Column, DataTable, MODIFIED } from '../data-table.tsx'
import { count, moment, plural, size } from '../format.ts'
import { Head, SearchField, Segments } from '../parts.tsx'
import { go, hrefOf, usePlace, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import type { Kind } from './directory.ts'
import { AddEntry, EntryPanel } from './entry.tsx'
import { Import } from './import.tsx'
import { RemovedEntries } from './removed.tsx'

export interface Listed {
  readonly id: string
  readonly kind: Kind
  readonly name: string
  readonly displayName?: string
  readonly address?: string
  readonly roles: readonly string[]
  readonly status?: string
  readonly quota?: number
  readonly used?: number
  readonly lastLogin?: number
  readonly members?: number
  readonly modified: number
  readonly targets?: readonly string[]
}

const KINDS = [
  ['account', t('Accounts')],
  ['group', t('Groups')],
  ['alias', t('Aliases')],
] as const
const MORE_KINDS = [...KINDS, ['route', t('Routes')], ['unit', t('Units')]] as const
const rowsOf = (answer: { entries: readonly Listed[] }) => answer.entries

const roleOf = (role: string): string => {
  const [name = '', scope] = role.split(':', 2)
  const words = name.charAt(0).toUpperCase() + name.slice(1).replace('-', ' ')
  return scope ? `${words}, ${scope}` : words
}

function Storage({ used = 0, quota }: { readonly used?: number | undefined; readonly quota?: number | undefined }) {
  if (!quota) return <span className="t2">{size(used)}</span>
  const share = Math.min(1, used / quota)
  const tone = share >= 1 ? 'bad' : share >= 0.95 ? 'warn' : ''
  return (
    <span className="qt">
      <span className={`meter ${tone}`}>
        <i style={{ '--v': `${Math.round(share * 100)}%` } as React.CSSProperties} />
      </span>
      <span className={`sm ${tone || 't2'}`}>
        {t('{{used}} of {{quota}}', { used: size(used), quota: size(quota) })}
      </span>
    </span>
  )
}

const COLUMNS: Readonly<Record<Kind, readonly Column<Listed>[]>> = {
  account: [
    {
      id: 'displayName',
      title: t('Name'),
      sorts: true,
      say: ({ displayName, name }) => displayName ?? name,
      show: ({ displayName, name, status }) => (
        <>
          {displayName ?? name}
          {status !== 'active' ? <span className="tag warn">{status ? t(status) : ''}</span> : null}
        </>
      ),
    },
    {
      id: 'address',
      title: t('Address'),
      width: 'minmax(0, 1.2fr)',
      sorts: true,
      show: ({ address, name }) => address ?? name,
    },
    {
      id: 'role',
      title: t('Role'),
      width: '150px',
      isWide: true,
      say: ({ roles }) => roles.map(roleOf).join(', '),
      show: ({ roles }) => (roles.length > 0 ? <span className="tag">{roles.map(roleOf).join(', ')}</span> : ''),
    },
    {
      id: 'quota',
      title: t('Storage'),
      width: '190px',
      isWide: true,
      sorts: true,
      say: ({ used = 0, quota }) =>
        quota ? t('{{used}} of {{quota}}', { used: size(used), quota: size(quota) }) : size(used),
      show: ({ used, quota }) => <Storage used={used} quota={quota} />,
    },
    {
      id: 'lastLogin',
      title: t('Last login'),
      width: '128px',
      isNumber: true,
      isWide: true,
      show: ({ lastLogin }) => (lastLogin === undefined ? t('never') : moment(lastLogin)),
    },
    MODIFIED,
  ],
  group: [
    { id: 'name', title: t('Name'), sorts: true, show: ({ name }) => name },
    { id: 'address', title: t('Address'), sorts: true, show: ({ address }) => address ?? '' },
    { id: 'members', title: t('Members'), width: '96px', isNumber: true, show: ({ members = 0 }) => count(members) },
    MODIFIED,
  ],
  alias: [
    { id: 'name', title: t('Address'), sorts: true, show: ({ name }) => name },
    { id: 'targets', title: t('Goes to'), show: ({ targets = [] }) => targets.join(', ') },
    MODIFIED,
  ],
  route: [
    { id: 'name', title: t('For'), sorts: true, show: ({ name }) => name },
    { id: 'targets', title: t('Goes to'), show: ({ targets = [] }) => targets.join(', ') },
  ],
  unit: [
    { id: 'name', title: t('Path'), sorts: true, show: ({ name }) => name },
    { ...MODIFIED, isWide: false },
  ],
}

type Action = 'remove' | 'suspend' | 'activate'

/** The buttons for selected entries. */
function Actions({ kind, run }: { readonly kind: Kind; run(action: Action): void }) {
  return (
    <>
      {kind === 'account' ? (
        <>
          <button type="button" className="btn plain" onClick={() => run('suspend')}>
            {t('Suspend')}
          </button>
          <button type="button" className="btn plain" onClick={() => run('activate')}>
            {t('Activate')}
          </button>
        </>
      ) : null}
      <button type="button" className="btn plain bad" onClick={() => run('remove')}>
        {t('Delete…')}
      </button>
    </>
  )
}

export function People() {
  const { me, may, run, sure } = useShell()
  const [, place = 'account', opened] = usePlace()
  const kind = (MORE_KINDS.find(([one]) => one === place)?.[0] ?? 'account') as Kind
  const isRemoved = place === 'removed' && may('people:change')
  const [search, setSearch] = useState('')
  const [domain, setDomain] = useState('')
  const [role, setRole] = useState('')
  const [total, setTotal] = useState<number>()
  const [version, setVersion] = useState(0)
  const [dialog, setDialog] = useState<'add' | 'import'>()
  const changed = useCallback(() => setVersion((last) => last + 1), [])
  const domains = useApi<{ entries: readonly Listed[] }>('/api/v1/directory/domain?limit=500')
  const names = me.domains ?? domains.data?.entries.map(({ name }) => name) ?? []
  const filter = {
    search: search.trim() || undefined,
    domain: kind === 'unit' ? undefined : domain || undefined,
    role: kind === 'account' ? role || undefined : undefined,
  }
  const many = async (action: Action, number: number, ids: readonly string[] | undefined) => {
    const what = plural(number, '{{number}} entry', '{{number}} entries')
    const isRemoval = action === 'remove'
    if (
      isRemoval &&
      !(await sure({
        title: t('Delete {{what}}?', { what }),
        text: t(
          'They take effect no longer, at once. Under Deleted they can be restored for a time; mailboxes of accounts stay.',
        ),
        action: t('Delete {{what}}', { what }),
      }))
    )
      return
    run({
      title: isRemoval
        ? t('Delete {{what}}', { what })
        : action === 'suspend'
          ? t('Suspend {{what}}', { what })
          : t('Activate {{what}}', { what }),
      path: `/api/v1/directory/${kind}/changes`,
      body: {
        action: isRemoval ? 'remove' : 'set',
        ...(ids ? { ids } : { filter }),
        ...(isRemoval ? {} : { fields: { status: action === 'suspend' ? 'suspended' : 'active' } }),
      },
      onEnd: changed,
    })
  }
  const mayChange = may('people:change')
  const kinds = may('admin') ? MORE_KINDS : KINDS
  return (
    <div className="fill">
      <Head title={t('People')} note={total === undefined ? undefined : count(total)}>
        <SearchField label={t('Name or address')} value={search} onChange={setSearch} />
        {names.length > 1 && !isRemoved ? (
          <select aria-label={t('Domain')} value={domain} onChange={({ target }) => setDomain(target.value)}>
            <option value="">{t('All domains')}</option>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        ) : null}
        {kind === 'account' && !isRemoved ? (
          <select aria-label={t('Role')} className="wide" value={role} onChange={({ target }) => setRole(target.value)}>
            <option value="">{t('Any role')}</option>
            <option value="admin">{t('Admin')}</option>
            <option value="support">{t('Support')}</option>
            <option value="domain-admin">{t('Domain admin')}</option>
          </select>
        ) : null}
        {may('admin') && !isRemoved ? (
          <button type="button" className="btn wide" onClick={() => setDialog('import')}>
            {t('Import…')}
          </button>
        ) : null}
        {mayChange && !isRemoved ? (
          <button type="button" className="btn main" onClick={() => setDialog('add')}>
            <Icon name="plus" small />
            {t('Add')}
          </button>
        ) : null}
      </Head>
      <div className="subhead">
        <Segments
          label={t('Kind')}
          value={isRemoved ? 'removed' : kind}
          options={mayChange ? [...kinds, ['removed', t('Deleted')] as const] : kinds}
          onChange={(one) => go('people', one)}
        />
      </div>
      {isRemoved ? (
        <RemovedEntries search={search} onTotal={setTotal} />
      ) : (
        <div className={opened ? 'pp' : 'pp single'}>
          <DataTable<Listed>
            key={kind}
            label={t('People')}
            path={`/api/v1/directory/${kind}`}
            filter={filter}
            rowsOf={rowsOf}
            columns={COLUMNS[kind]}
            sort={kind === 'account' ? 'displayName' : 'name'}
            opened={opened}
            version={version}
            onTotal={setTotal}
            onOpen={({ id }) => go('people', kind, id)}
            empty={{
              title: search || domain || role ? t('Nothing fits') : t('Nothing here yet'),
              text:
                search || domain || role
                  ? t('Try fewer words, or another domain or role.')
                  : t('Entries appear here once they are added.'),
            }}
            {...(mayChange
              ? {
                  actions: ({ count: number, ids, clear }) => (
                    <Actions kind={kind} run={(action) => void many(action, number, ids).then(clear)} />
                  ),
                }
              : {})}
          />
          {opened ? (
            <EntryPanel key={opened} kind={kind} id={opened} onChange={changed} onClose={() => go('people', kind)} />
          ) : null}
        </div>
      )}
      {dialog === 'add' ? (
        <AddEntry
          kind={kind}
          domains={names}
          onClose={() => setDialog(undefined)}
          onDone={(id) => {
            setDialog(undefined)
            changed()
            location.hash = hrefOf('people', kind, id)
          }}
        />
      ) : null}
      {dialog === 'import' ? <Import kind={kind} onClose={() => setDialog(undefined)} onEnd={changed} /> : null}
    </div>
  )
}
