/** The menu of mailboxes that a conversation can be moved to: those with a role, then the folders as a tree. */
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton, type MenuEntry } from '../../app/ui/menu.tsx'
import type { MailStore } from '../store/mail-store.ts'
import type { Mailbox } from '../store/objects.ts'
import { useApplication } from './application.ts'
import { mailboxName } from './format.ts'
import { byOrder, MAX_DEPTH, ROLES } from './tree.tsx'

const ICONS = new Map(ROLES)

/** Each mailbox behind the one that it is in, with its depth. */
function inTree(all: readonly Mailbox[]): readonly (readonly [mailbox: Mailbox, depth: number])[] {
  const ids = new Set(all.map(({ id }) => id))
  const below = (parentId: string | null, depth: number): (readonly [Mailbox, number])[] =>
    depth > MAX_DEPTH
      ? []
      : all
          .filter((one) => (parentId === null ? !one.parentId || !ids.has(one.parentId) : one.parentId === parentId))
          .flatMap((one) => [[one, depth] as const, ...below(one.id, depth + 1)])
  return below(null, 0)
}

export function MoveMenu({ onMove }: { onMove(mailboxId: string): void }) {
  const { store, home, shared } = useApplication()
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : ''
  const order = ROLES.map(([role]) => role)
  const rank = ({ role }: Mailbox) => (role !== null && order.includes(role) ? order.indexOf(role) : order.length)
  const entriesOf = (of: MailStore, isFirst: boolean): MenuEntry[] =>
    inTree([...of.mailboxes.values()].sort((a, b) => rank(a) - rank(b) || byOrder(a, b)))
      .filter(
        ([{ id, role, myRights }]) =>
          id !== here && role !== 'drafts' && role !== 'snoozed' && myRights.mayAddItems !== false,
      )
      .map(([mailbox, depth], index, { [index - 1]: before }) => ({
        id: mailbox.id,
        label: mailboxName(mailbox),
        depth,
        icon: ICONS.get(mailbox.role ?? '') ?? 'folder',
        ...(of.owner === undefined ? {} : { end: of.owner }),
        isFirstOfGroup:
          index === 0 ? !isFirst : rank(mailbox) === order.length && !!before && rank(before[0]) < order.length,
        run: () => onMove(mailbox.id),
      }))
  const entries = [store, ...[home, ...shared].filter((other) => other !== store)].flatMap((of, index) =>
    entriesOf(of, index === 0),
  )
  return (
    <MenuButton label={t('move')} className="ib move-menu" entries={entries} isDisabled={entries.length === 0}>
      <Icon name="move" />
    </MenuButton>
  )
}
