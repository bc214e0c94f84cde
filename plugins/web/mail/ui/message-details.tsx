/** From whom, to whom and when a message is, in full: each address with its name, each time with its day. */
import { t } from '../../app/ui/language.ts'
import { type Address, type Email, withoutDirection } from '../store/objects.ts'
import { useApplication } from './application.ts'
import { fullTime, mailboxName } from './format.ts'

const addressOf = ({ name, email }: Address): string =>
  name?.trim() && name.trim() !== email ? `${withoutDirection(name.trim())} <${email}>` : email

export function MessageDetails({ email }: { readonly email: Email }) {
  const { store } = useApplication()
  const mailboxes = Object.keys(email.mailboxIds).flatMap((id) => store.mailboxes.get(id) ?? [])
  const addresses = (list: readonly Address[] | null) =>
    (list ?? []).map((one) => <bdi key={one.email}>{addressOf(one)}</bdi>)
  const lines = [
    ['from', addresses(email.from)],
    ['reply-to', addresses(email.replyTo)],
    ['to', addresses(email.to)],
    ['cc', addresses(email.cc)],
    ['bcc', addresses(email.bcc)],
    ['sent', email.sentAt ? [<span key="sent">{fullTime(email.sentAt)}</span>] : []],
    ['received', [<span key="received">{fullTime(email.receivedAt)}</span>]],
    ['mailboxes', mailboxes.map((mailbox) => <span key={mailbox.id}>{mailboxName(mailbox)}</span>)],
    ['message-id', (email.messageId ?? []).map((id) => <code key={id}>{id}</code>)],
  ] as const
  return (
    <dl className="details">
      {lines
        .filter(([, values]) => values.length > 0)
        .map(([name, values]) => (
          <div key={name}>
            <dt>{t(`details.${name}`)}</dt>
            <dd>{values}</dd>
          </div>
        ))}
    </dl>
  )
}
