/**
 * An invitation in a message: what, when, where, who; it is answered by mail to the organizer.
 */

import { useEffect, useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { locale, t } from '../../app/ui/language.ts'
import { type Answer, answerTo, type CalendarTime, type Invitation, readInvitation } from '../store/calendar.ts'
import { emptyDraft, saveDraft, sendDraft, textAsHtml } from '../store/compose.ts'
import { nameOf, type Part } from '../store/objects.ts'
import { uuid } from '../store/uuid.ts'
import { useApplication } from './application.ts'
import { isOwn } from './format.ts'

const ANSWERS: readonly (readonly [answer: Answer, text: string])[] = [
  ['ACCEPTED', 'invitation.accept'],
  ['TENTATIVE', 'invitation.maybe'],
  ['DECLINED', 'invitation.decline'],
]

function whenOf({ start, end }: Invitation): string {
  if (!start) return ''
  const style: Intl.DateTimeFormatOptions = start.isWholeDay
    ? { dateStyle: 'full' }
    : { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: 'numeric', minute: '2-digit' }
  const format = new Intl.DateTimeFormat(locale(), style)
  const last = end?.isWholeDay ? new Date(end.date.getTime() - 1) : end?.date
  const text = last && last > start.date ? format.formatRange(start.date, last) : format.format(start.date)
  return `${text}${zoneOf(start)}`
}
const zoneOf = ({ zone }: CalendarTime): string => (zone === '' ? '' : ` (${zone})`)

export function InvitationCard({ part }: { readonly part: Part }) {
  const { store, own, say } = useApplication()
  const [invitation, setInvitation] = useState<Invitation>()
  const [answered, setAnswered] = useState<Answer>()
  const url = part.blobId ? store.client.download(part.blobId, 'invite.ics', 'text/plain') : undefined
  useEffect(() => {
    let isGone = false
    const load = async () => {
      if (!url) return
      const response = await fetch(url)
      const found = response.ok ? readInvitation(await response.text()) : undefined
      if (!isGone) setInvitation(found)
    }
    load().catch(() => undefined)
    return () => {
      isGone = true
    }
  }, [url])
  if (!invitation) return null
  const { organizer, attendees, method } = invitation
  const me =
    store.identities.find(({ email }) => attendees.some((one) => one.email.toLowerCase() === email.toLowerCase())) ??
    store.identities[0]
  const isAsked = method === 'REQUEST' && organizer !== undefined && !isOwn({ name: null, email: organizer.email }, own)
  const answer = async (chosen: Answer) => {
    if (!me || !organizer) return
    setAnswered(chosen)
    try {
      const calendar = answerTo(invitation, { name: me.name, email: me.email }, chosen)
      const blobId = await store.client.upload(new Blob([calendar], { type: 'text/calendar; method=REPLY' }))
      const text = `${t(`invitation.said.${chosen}`)}: ${invitation.summary}`
      const draft = {
        ...emptyDraft(uuid(), me),
        to: [{ name: organizer.name, email: organizer.email }],
        subject: text,
        html: textAsHtml(text),
        attachments: [{ blobId, name: 'reply.ics', type: 'text/calendar; method=REPLY', size: calendar.length }],
      }
      const emailId = await saveDraft(store, draft, text)
      const takeBack = await sendDraft(store, { ...draft, emailId })
      say({
        text: t('done.sent', { names: nameOf({ name: organizer.name, email: organizer.email }) }),
        undo: async () => {
          await takeBack()
          setAnswered(undefined)
        },
      })
    } catch (cause) {
      setAnswered(undefined)
      say({ text: t('compose.not-sent', { why: (cause as Error).message }), isError: true })
    }
  }
  return (
    <section className="invitation" aria-label={t('invitation')}>
      <Icon name="clock" />
      <div className="grow">
        <h3>{invitation.summary || t('invitation')}</h3>
        <p>{whenOf(invitation)}</p>
        {invitation.isRepeated ? <p className="t3">{t('invitation.repeated')}</p> : null}
        {invitation.location ? <p className="t2">{invitation.location}</p> : null}
        {organizer ? (
          <p className="t2">
            {t('invitation.people', {
              organizer: nameOf({ name: organizer.name, email: organizer.email }),
              count: attendees.length,
            })}
          </p>
        ) : null}
        {method === 'CANCEL' ? <p className="b">{t('invitation.cancelled')}</p> : null}
        {isAsked ? (
          <p className="answers">
            {ANSWERS.map(([chosen, text]) => (
              <button
                key={chosen}
                type="button"
                className="btn"
                aria-pressed={answered === chosen}
                disabled={answered !== undefined}
                onClick={() => void answer(chosen)}
              >
                {t(text)}
              </button>
            ))}
          </p>
        ) : null}
      </div>
    </section>
  )
}
