/**
 * Deleted entries of the directory, which can be brought back for a time.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { type Column, DataTable } from '../data-table.tsx'
import { full, moment, plural } from '../format.ts'
import { useShell } from '../shell.ts'

interface Removed {
  readonly id: string
  readonly kind: 'account' | 'group' | 'alias' | 'route' | 'unit' | 'domain' | 'object'
  readonly name: string
  readonly displayName?: string
  readonly address?: string
  readonly at: number
  readonly by: string
}

const rowsOf = (answer: { entries: readonly Removed[] }) => answer.entries
const COLUMNS: readonly Column<Removed>[] = [
  { id: 'name', title: t('Name'), show: ({ displayName, name }) => displayName ?? name },
  { id: 'address', title: t('Address'), width: 'minmax(0, 1.2fr)', show: ({ address, name }) => address ?? name },
  { id: 'kind', title: t('Kind'), width: '100px', isWide: true, show: ({ kind }) => t(kind) },
  { id: 'by', title: t('Deleted by'), width: '150px', isWide: true, show: ({ by }) => by },
  {
    id: 'at',
    title: t('When'),
    width: '108px',
    isNumber: true,
    say: ({ at }) => full(at),
    show: ({ at }) => moment(at),
  },
]

interface RemovedProps {
  readonly search: string
  onTotal(total: number): void
}

export function RemovedEntries({ search, onTotal }: RemovedProps) {
  const { run } = useShell()
  const [version, setVersion] = useState(0)
  return (
    <DataTable<Removed>
      label={t('Deleted entries')}
      path="/api/v1/removed"
      filter={{ search: search.trim() || undefined }}
      rowsOf={rowsOf}
      columns={COLUMNS}
      version={version}
      onTotal={onTotal}
      empty={{
        title: t('Nothing to restore'),
        text: t('Deleted entries stay here for a time, with their passwords and groups; mailboxes stay in any case.'),
      }}
      actions={({ count: number, ids, clear }) => (
        <button
          type="button"
          className="btn plain"
          onClick={() => {
            run({
              title: plural(number, 'Restore {{number}} entry', 'Restore {{number}} entries'),
              path: '/api/v1/removed/restorations',
              body: ids ? { ids } : { search: search.trim() },
              onEnd: () => setVersion((last) => last + 1),
            })
            clear()
          }}
        >
          {t('Restore')}
        </button>
      )}
    />
  )
}
