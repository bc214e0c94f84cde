/**
 * A message inside of a message (message/rfc822), opened like any other: header, text, files.
 */
import { useEffect, useState } from 'react'
import { Dialog } from '../../app/ui/dialog.tsx'
import { t } from '../../app/ui/language.ts'
import { BODY_ARGUMENTS } from '../store/body.ts'
import type { Json } from '../store/client.ts'
import { decodedBodies } from '../store/decoded.ts'
import { type Body, EMAIL_PROPERTIES, type Email, withoutDirection } from '../store/objects.ts'
import { useApplication } from './application.ts'
import { fullTime, namesOf } from './format.ts'
import { Content } from './message.tsx'

const PROPERTIES = [
  ...EMAIL_PROPERTIES.filter((name) => !['id', 'threadId', 'mailboxIds', 'keywords', 'receivedAt'].includes(name)),
  ...BODY_ARGUMENTS.properties.filter((name) => name !== 'id'),
]

interface Opened {
  readonly email: Email
  readonly body: Body
}

export function InnerMessage({ blobId, onClose }: { readonly blobId: string; onClose(): void }) {
  const { store } = useApplication()
  const [opened, setOpened] = useState<Opened>()
  const [error, setError] = useState('')
  useEffect(() => {
    const load = async () => {
      const [parsed] = await store.client.call([
        'Email/parse',
        {
          blobIds: [blobId],
          ...BODY_ARGUMENTS,
          properties: PROPERTIES,
        },
      ])
      const found = parsed?.parsed?.[blobId] as Json | undefined
      if (!found) throw new Error(t('message.error'))
      const email = { ...found, id: blobId, keywords: {}, mailboxIds: {}, receivedAt: found.sentAt ?? '' }
      const [body] = await decodedBodies(store.client, [found])
      if (body) setOpened({ email: email as unknown as Email, body })
    }
    load().catch((cause: Error) => setError(cause.message))
  }, [store, blobId])
  const { email, body } = opened ?? {}
  return (
    <Dialog
      title={withoutDirection(email?.subject ?? '') || t('no-subject')}
      className="dialog inner-message"
      onClose={onClose}
    >
      {error ? <p role="alert">{error}</p> : null}
      {email && body ? (
        <>
          <p className="t2">
            {namesOf(email.from, [])} {t('message.to', { to: namesOf(email.to, []) })}
            {email.sentAt ? <span className="t3"> · {fullTime(email.sentAt)}</span> : null}
          </p>
          <div className="inner-body">
            <Content email={email} body={body} who={namesOf(email.from, [])} isInner />
          </div>
        </>
      ) : null}
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          {t('close')}
        </button>
      </footer>
    </Dialog>
  )
}
