/**
 * Messages of mailboxes, on their way into files.
 */
import type { Mailbox, MailStoreApi, Uids } from '../api.ts'
import type { TransferredMessage } from './formats.ts'

export const ALL: Uids = [[1, 4_294_967_295]]

/** Messages of some mailboxes; `onMessage` is called for each. */
export async function* messagesOf(
  service: MailStoreApi,
  mailboxes: readonly Mailbox[],
  onMessage: () => void = () => {},
): AsyncGenerator<TransferredMessage> {
  for (const mailbox of mailboxes) {
    for await (const { uid, email: id, flags, received, size } of service.entries(mailbox, ALL)) {
      const content = await opened(service, id).catch((cause: unknown) => ({ cause }))
      if (Symbol.asyncIterator in content) {
        onMessage()
        yield { mailbox: mailbox.name, flags, received, size, open: () => content }
      } else if ((await Array.fromAsync(service.entries(mailbox, [[uid, uid]]))).length > 0) {
        // Messages expunged meanwhile do not count.
        throw new Error(`a message of ${mailbox.name} is missing; see iems mailbox check`, content)
      }
    }
  }
}

/** Content that can be read, once, whatever becomes of the message: its first octets are here. Throws when it is gone. */
async function opened(service: MailStoreApi, id: string): Promise<AsyncIterable<Uint8Array>> {
  const email = await service.email(id)
  if (!email) throw new Error('there is no record of it')
  const pieces = email.open()[Symbol.asyncIterator]()
  const first = await pieces.next()
  return (async function* () {
    if (first.done) return
    yield first.value
    yield* { [Symbol.asyncIterator]: () => pieces }
  })()
}
