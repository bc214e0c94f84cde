/** The menu of mailboxes that a conversation can be moved to. */
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import { useApplication } from './application.ts'
import { mailboxName } from './format.ts'

export function MoveMenu({ onMove }: { onMove(mailboxId: string): void }) {
  const { store } = useApplication()
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : ''
  const entries = [...store.mailboxes.values()]
    .filter(({ id, role, myRights }) => id !== here && role !== 'drafts' && myRights.mayAddItems !== false)
    .sort((a, b) => a.sortOrder - b.sortOrder || a.name.localeCompare(b.name))
    .map((mailbox) => ({ id: mailbox.id, label: mailboxName(mailbox), run: () => onMove(mailbox.id) }))
  return (
    <MenuButton label={t('move')} className="ib move-menu" entries={entries} isDisabled={entries.length === 0}>
      <Icon name="move" />
    </MenuButton>
  )
}
