/**
 * Conversations that are dragged from the list to a mailbox. The same is done by keyboard with the key v.
 */
const TYPE = 'application/x-iems-conversations'

export function dragThreads(transfer: DataTransfer, threadIds: readonly string[]): void {
  transfer.setData(TYPE, JSON.stringify(threadIds))
  transfer.effectAllowed = 'move'
}

export const areThreads = ({ types }: DataTransfer): boolean => types.includes(TYPE)

/** Ids that another page made up name no conversation of this account, and nothing happens. */
export function droppedThreads(transfer: DataTransfer): string[] {
  try {
    const ids = JSON.parse(transfer.getData(TYPE)) as unknown
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : []
  } catch {
    return []
  }
}
