/** Messages that the filters kept out of the Inbox, to be released. Moving a message teaches the filters. */
import { fromServer } from '../../../app/ui/from-server.ts'
import { t } from '../../../app/ui/language.ts'
import { useAccount, useLoaded } from '../context.ts'
import { Jmap, type JmapError } from '../jmap.ts'
import { dateOf, Page, Problem, Rows, Section } from '../parts.tsx'

interface Mailbox {
  readonly id: string
  readonly role: string | null
}
interface Email {
  readonly id: string
  readonly subject: string | null
  readonly from: readonly { readonly name: string | null; readonly email: string }[] | null
  readonly receivedAt: string
}
interface Found {
  readonly inbox: string
  readonly total: number
  readonly emails: readonly Email[]
}

const SHOWN = 100

async function load(): Promise<Found> {
  const jmap = await Jmap.open()
  const boxes = (await jmap.call<{ list: readonly Mailbox[] }>('mail', 'Mailbox/get', { ids: null })).list
  const idOf = (role: string) => boxes.find((one) => one.role === role)?.id
  const [junk, inbox = ''] = [idOf('junk'), idOf('inbox')]
  if (junk === undefined) return { inbox, total: 0, emails: [] }
  const { ids, total } = await jmap.call<{ ids: readonly string[]; total: number }>('mail', 'Email/query', {
    filter: { inMailbox: junk },
    sort: [{ property: 'receivedAt', isAscending: false }],
    limit: SHOWN,
    calculateTotal: true,
  })
  const properties = ['subject', 'from', 'receivedAt']
  const { list } = await jmap.call<{ list: readonly Email[] }>('mail', 'Email/get', { ids, properties })
  const byId = new Map(list.map((one) => [one.id, one]))
  return { inbox, total, emails: ids.flatMap((id) => byId.get(id) ?? []) }
}

async function release(id: string, inbox: string): Promise<void> {
  const jmap = await Jmap.open()
  const { notUpdated } = await jmap.call<{ notUpdated: Readonly<Record<string, JmapError>> | null }>(
    'mail',
    'Email/set',
    { update: { [id]: { mailboxIds: { [inbox]: true } } } },
  )
  const error = notUpdated?.[id]
  if (error) throw new Error(fromServer(error.description ?? error.type))
}

export function Junk() {
  const { change } = useAccount()
  const { value, error, again } = useLoaded(load)
  return (
    <Page title={t('page.junk')}>
      <Section title={t('junk.title')} hint={t('junk.hint')}>
        <Problem text={error} />
        {value && value.total > value.emails.length ? (
          <p className="t2">{t('junk.more', { shown: value.emails.length, total: value.total })}</p>
        ) : null}
        <Rows
          rows={value?.emails.map(({ id, subject, from, receivedAt }) => {
            const [sender] = from ?? []
            return {
              ...{ id, name: subject || t('junk.no-subject'), action: t('junk.release') },
              facts: `${sender ? (sender.name ? `${sender.name} <${sender.email}>` : sender.email) : t('junk.no-sender')} · ${dateOf(Date.parse(receivedAt))}`,
              act: () => void change(() => release(id, value.inbox), t('junk.done')).then(again),
            }
          })}
          empty={t('junk.none')}
        />
      </Section>
    </Page>
  )
}
