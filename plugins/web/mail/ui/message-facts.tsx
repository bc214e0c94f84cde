/**
 * Facts about a message: authentication of its sender, delivery status, unsubscription.
 */

import { useEffect, useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { language, t } from '../../app/ui/language.ts'
import { emptyDraft, saveDraft, sendDraft } from '../store/compose.ts'
import { type Delivery, deliveryOf } from '../store/delivery.ts'
import type { MailStore } from '../store/mail-store.ts'
import type { Email, Unsubscribe } from '../store/objects.ts'
import { uuid } from '../store/uuid.ts'
import { useApplication } from './application.ts'
import { isOwn } from './format.ts'

interface Banner {
  readonly name: string
  readonly tone: 'quiet' | 'good' | 'warning'
  readonly text: Readonly<Record<string, string>>
  readonly why?: Readonly<Record<string, string>>
}

const inLanguage = (texts: Readonly<Record<string, string>>): string => texts[language()] ?? texts.en ?? ''

/** Of the account's own messages. */
async function bannersOf(id: string): Promise<readonly Banner[]> {
  const response = await fetch(`/mail/api/banners?email=${encodeURIComponent(id)}`)
  return response.ok ? ((await response.json()) as { banners: Banner[] }).banners : []
}

/** Banners of server plugins about the message. */
export function Banners({ id }: { readonly id: string }) {
  const [banners, setBanners] = useState<readonly Banner[]>([])
  useEffect(() => {
    let isGone = false
    bannersOf(id).then(
      (found) => isGone || setBanners(found),
      () => undefined,
    )
    return () => {
      isGone = true
    }
  }, [id])
  return banners.map((banner) => <BannerLine key={banner.name} banner={banner} />)
}

function BannerLine({ banner: { tone, text, why } }: { readonly banner: Banner }) {
  const [isOpen, setIsOpen] = useState(false)
  return (
    <div className={tone === 'warning' ? 'note warn banner' : `fact ${tone}`}>
      <Icon name={tone === 'good' ? 'verified' : tone === 'warning' ? 'warn' : 'info'} small />
      <span className="grow">
        {inLanguage(text)}
        {why && isOpen ? <span className="why">{inLanguage(why)}</span> : null}
      </span>
      {why ? (
        <button type="button" className="btn link sm" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          {t('message.why')}
        </button>
      ) : null}
    </div>
  )
}

/** For a sent message: requested again when the server reports a change. */
export function DeliveryFact({ email }: { readonly email: Email }) {
  const { store, own } = useApplication()
  const [deliveries, setDeliveries] = useState<readonly Delivery[]>()
  const isMine = (email.from ?? []).some((one) => isOwn(one, own)) && !email.keywords.$draft
  const { pushes } = store
  useEffect(() => {
    let isGone = false
    if (isMine)
      deliveryOf(store, email.id).then(
        (found) => isGone || setDeliveries(found),
        () => undefined,
      )
    return () => {
      isGone = true
    }
  }, [store, email.id, isMine, pushes])
  if (!deliveries || deliveries.length === 0) return null
  const count = (state: Delivery['state']) => deliveries.filter((one) => one.state === state).length
  const failed = deliveries.filter(({ state }) => state === 'no')
  const waiting = deliveries.filter(({ state, reply }) => state === 'queued' && !reply.startsWith('2'))
  return (
    <div className={failed.length > 0 ? 'note warn banner' : 'fact quiet'}>
      <Icon name={failed.length > 0 ? 'warn' : count('yes') === deliveries.length ? 'check' : 'clock'} small />
      <span className="grow">
        {[
          count('yes') > 0 ? t('delivery.yes', { count: count('yes') }) : '',
          count('queued') > 0 ? t('delivery.queued', { count: count('queued') }) : '',
          failed.length > 0 ? t('delivery.no', { count: failed.length }) : '',
        ]
          .filter(Boolean)
          .join(', ')}
        {[...failed, ...waiting].map(({ address, reply }) => (
          <span key={address} className="why">
            {address}: {reply}
          </span>
        ))}
      </span>
    </div>
  )
}

/** Leaves by one click of this server, or by the mail that the list asks for. */
async function leave(store: MailStore, email: Email, { isOneClick, mailto }: Unsubscribe): Promise<void> {
  if (isOneClick) {
    const response = await fetch('/mail/api/unsubscribe', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: email.id }),
    })
    if (response.ok) return
    const { detail } = (await response.json().catch(() => ({}))) as { detail?: string }
    throw new Error(detail ?? `${response.status}`)
  }
  const [address = '', query = ''] = (mailto ?? '').split('?', 2)
  const asked = new URLSearchParams(query)
  const draft = {
    ...emptyDraft(uuid(), store.identities[0]),
    to: [{ name: null, email: decodeURIComponent(address) }],
    subject: asked.get('subject') ?? 'unsubscribe',
    html: '<div>unsubscribe</div>',
  }
  const emailId = await saveDraft(store, draft, asked.get('body') ?? 'unsubscribe')
  await sendDraft(store, { ...draft, emailId })
}

export function UnsubscribeButton({
  email,
  unsubscribe,
}: {
  readonly email: Email
  readonly unsubscribe: Unsubscribe
}) {
  const { store, say } = useApplication()
  const [state, setState] = useState<'ready' | 'busy' | 'done'>('ready')
  const run = async () => {
    setState('busy')
    try {
      await leave(store, email, unsubscribe)
      setState('done')
      say({ text: t('unsubscribe.done') })
    } catch (cause) {
      setState('ready')
      say({ text: t('unsubscribe.failed', { why: (cause as Error).message }), isError: true })
    }
  }
  return (
    <div className="fact quiet">
      <Icon name="junk" small />
      <span className="grow">{state === 'done' ? t('unsubscribe.done') : t('unsubscribe.list')}</span>
      {state === 'done' ? null : (
        <button type="button" className="btn link sm" disabled={state === 'busy'} onClick={() => void run()}>
          {t('unsubscribe')}
        </button>
      )}
    </div>
  )
}
