/** The menu of mailboxes that a conversation can be moved to. */
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import type { MailStore } from '../store/mail-store.ts'
import { useApplication } from './application.ts'
import { mailboxName } from './format.ts'

export function MoveMenu({ onMove }: { onMove(mailboxId: string): void }) {
  const { store, home, shared } = useApplication()
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : ''
  const entriesOf = (of: MailStore, isFirst: boolean) =>
    [...of.mailboxes.values()]
      .filter(
        ({ id, role, myRights }) =>
          id !== here && role !== 'drafts' && role !== 'snoozed' && myRights.mayAddItems !== false,
      )
      .sort((a, b) => a.sortOrder - b.sortOrder || a.name.localeCompare(b.name))
      .map((mailbox, index) => ({
        id: mailbox.id,
        label: mailboxName(mailbox),
        ...(of.owner === undefined ? {} : { end: of.owner }),
        isFirstOfGroup: index === 0 && !isFirst,
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
