/**
 * One message of a conversation: folded to a line, or open with its text and files.
 */
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import type { JmapClient } from '../store/client.ts'
import { type Body, type Email, isUnread, type Part, withoutDirection } from '../store/objects.ts'
import { useApplication, useStore } from './application.ts'
import { fullTime, messageTime, namesOf, octets } from './format.ts'
import { loadImagesOf, loadsImagesOf } from './image-senders.ts'
import { InvitationCard } from './invitation.tsx'
import { MessageDetails } from './message-details.tsx'
import { Banners, DeliveryFact, UnsubscribeButton } from './message-facts.tsx'
import { MessageFrame } from './message-frame.tsx'
import { MessageText } from './message-text.tsx'
import { ModuleHost, runModule, useModules } from './modules.tsx'
import { printMessage } from './printing.ts'

const InnerMessage = lazy(async () => ({ default: (await import('./inner-message.tsx')).InnerMessage }))

const proxied = (url: string): string => `/mail/image?url=${encodeURIComponent(url)}`

/** Types that browsers display; others are saved. */
const SHOWN = /^(?:image\/(?:png|jpeg|gif|webp|avif)|text\/plain|application\/pdf)$/

export interface MessageProps {
  readonly email: Email
  readonly isLast: boolean
  readonly isOpen: boolean
  onToggle(): void
  onEdit(email: Email): void
}

export function Message({ email, isLast, isOpen, onToggle, onEdit }: MessageProps) {
  const { store, home, own } = useApplication()
  useStore(store)
  const [error, setError] = useState('')
  useEffect(() => {
    if (isOpen) store.loadBodies([email.id]).catch((cause: Error) => setError(cause.message))
  }, [store, email.id, isOpen])
  const body = store.bodies.get(email.id)
  const who = namesOf(email.from, own) || t('row.nobody')
  if (!isOpen)
    return (
      <li className={isUnread(email) ? 'folded new' : 'folded'}>
        <button type="button" className="fold" aria-expanded="false" onClick={onToggle}>
          <span className="who cut">{who}</span>
          <span className="cut t3 grow">{email.preview}</span>
          {email.hasAttachment ? <Icon name="clip" small /> : null}
          <time dateTime={email.receivedAt}>{messageTime(email.receivedAt)}</time>
        </button>
      </li>
    )
  return (
    <li className={isLast ? 'open last' : 'open'} data-email={email.id}>
      <Head email={email} who={who} onToggle={onToggle} onEdit={onEdit} />
      {store === home ? <Banners id={email.id} /> : null}
      <DeliveryFact email={email} />
      <Asides email={email} />
      {error ? (
        <p className="note bad" role="alert">
          <Icon name="warn" />
          <span>
            {t('message.error')}: {error}
          </span>
        </p>
      ) : null}
      {body ? <Content email={email} body={body} who={who} /> : error ? null : <div className="ghost text-ghost" />}
    </li>
  )
}

const Asides = ({ email }: { readonly email: Email }) =>
  useModules('message.aside').map((module) => <ModuleHost key={module.name} module={module} email={email} />)

interface HeadProps extends Pick<MessageProps, 'email' | 'onToggle' | 'onEdit'> {
  readonly who: string
}

const Head = ({ email, who, onToggle, onEdit }: HeadProps) => {
  const app = useApplication()
  const { reply, own, store } = app
  const actions = useModules('message.action')
  const to = namesOf([...(email.to ?? []), ...(email.cc ?? [])], own, t('message.to.me'))
  const [isDetailed, setIsDetailed] = useState(false)
  const [from] = email.from ?? []
  return (
    <>
      <div className="hd">
        <button type="button" className="hd-toggle" aria-expanded="true" onClick={onToggle}>
          <span className="who cut">{who}</span>
          <span className="t3 cut grow">
            {from?.name && who !== t('me') ? `${from.email} ` : ''}
            {to ? t('message.to', { to }) : ''}
          </span>
          <time dateTime={email.receivedAt} title={fullTime(email.receivedAt)}>
            {messageTime(email.receivedAt)}
          </time>
        </button>
        <IconButton
          icon={isDetailed ? 'up' : 'down'}
          small
          className="more-of-it"
          label={t('message.details')}
          pressed={isDetailed}
          onClick={() => setIsDetailed(!isDetailed)}
        />
        {email.keywords.$draft ? (
          <button type="button" className="btn small" onClick={() => onEdit(email)}>
            {t('message.edit')}
          </button>
        ) : (
          <>
            <IconButton icon="reply" small label={t('reply')} shortcut="r" onClick={() => void reply('reply', email)} />
            <MenuButton
              label={t('more')}
              className="ib small"
              entries={[
                {
                  id: 'reply-all',
                  label: t('reply-all'),
                  icon: 'reply-all',
                  end: 'a',
                  run: () => void reply('reply-all', email),
                },
                {
                  id: 'forward',
                  label: t('forward'),
                  icon: 'forward',
                  end: 'f',
                  run: () => void reply('forward', email),
                },
                {
                  id: 'source',
                  label: t('source'),
                  icon: 'copy',
                  isFirstOfGroup: true,
                  run: () => void openSource(store.client, email.id),
                },
                {
                  id: 'print',
                  label: t('message.print'),
                  icon: 'print',
                  // The menu is closed first.
                  run: () => setTimeout(() => printMessage(email.id)),
                },
                ...actions.map((module) => ({
                  id: `plugin-${module.name}`,
                  label: module.label,
                  run: () => void runModule(app, module, { email }),
                })),
              ]}
            >
              <Icon name="more" />
            </MenuButton>
          </>
        )}
      </div>
      {isDetailed ? <MessageDetails email={email} /> : null}
    </>
  )
}

async function openSource(client: JmapClient, id: string): Promise<void> {
  const opened = window.open('about:blank', '_blank')
  const [got] = await client.call(['Email/get', { ids: [id], properties: ['blobId'] }])
  const [email] = (got?.list ?? []) as { blobId: string }[]
  if (opened && email) opened.location.href = client.download(email.blobId, 'message.txt', 'text/plain')
}

interface ContentProps {
  readonly email: Email
  readonly body: Body
  readonly who: string
  /** Of a message inside of a message: nothing is done with it. */
  readonly isInner?: boolean
}

export const Content = ({ email, body, who, isInner = false }: ContentProps) => {
  const { store } = useApplication()
  const [{ remote, isEmpty }, setShown] = useState({ remote: 0, isEmpty: false })
  const sender = email.from?.[0]?.email ?? ''
  const [areImagesOn, setAreImagesOn] = useState(() => loadsImagesOf(sender))
  const imageUrl = areImagesOn ? proxied : undefined
  const byCid = useMemo(
    () => new Map(body.attachments.flatMap((part) => (part.cid && part.blobId ? [[part.cid, part] as const] : []))),
    [body],
  )
  const cidUrl = useCallback(
    (cid: string) => {
      const part = byCid.get(cid)
      return part?.blobId ? store.client.download(part.blobId, part.name ?? 'image', part.type) : undefined
    },
    [byCid, store],
  )
  const files = body.attachments.filter(
    ({ cid, disposition }) => !(cid && disposition !== 'attachment' && body.html?.includes(`cid:${cid}`)),
  )
  const calendar = isInner ? undefined : body.attachments.find(({ type }) => type === 'text/calendar')
  return (
    <>
      <Seal body={body} />
      {body.unsubscribe && !isInner ? <UnsubscribeButton email={email} unsubscribe={body.unsubscribe} /> : null}
      {calendar ? <InvitationCard part={calendar} /> : null}
      {remote > 0 && !areImagesOn ? (
        <p className="note imgs">
          <Icon name="image-off" />
          <span className="grow">
            {t('message.images', { count: remote })} <span className="t3">{t('message.images.why')}</span>
          </span>
          <button type="button" className="btn link" onClick={() => setAreImagesOn(true)}>
            {t('message.images.once')}
          </button>
          {sender === '' ? null : (
            <button
              type="button"
              className="btn link"
              onClick={() => {
                loadImagesOf(sender)
                setAreImagesOn(true)
              }}
            >
              {t('message.images.always')}
            </button>
          )}
        </p>
      ) : null}
      {body.html === undefined || isEmpty ? (
        <MessageText text={body.text} />
      ) : (
        <MessageFrame
          html={body.html}
          title={t('message.frame', { from: who })}
          cidUrl={cidUrl}
          imageUrl={imageUrl}
          onShown={setShown}
        />
      )}
      {body.isTruncated ? <p className="note">{t('message.truncated')}</p> : null}
      {files.length > 0 ? (
        <ul className="files">
          {files.map((part, index) => (
            <File key={part.blobId ?? `${email.id}-${index}`} part={part} />
          ))}
        </ul>
      ) : null}
    </>
  )
}

/**
 * Labels of S/MIME and OpenPGP parts, which are neither verified nor decrypted, because their keys are not available.
 */
const SEALS: readonly (readonly [type: RegExp, text: string])[] = [
  [/^application\/(?:x-)?pkcs7-signature$/, 'seal.smime-signed'],
  [/^application\/(?:x-)?pkcs7-mime$/, 'seal.smime'],
  [/^application\/pgp-signature$/, 'seal.pgp-signed'],
  [/^application\/pgp-encrypted$/, 'seal.pgp-encrypted'],
]

/** The same within a text. */
const INLINE_SEALS: readonly (readonly [start: RegExp, text: string])[] = [
  [/^-----BEGIN PGP SIGNED MESSAGE-----/m, 'seal.pgp-signed'],
  [/^-----BEGIN PGP MESSAGE-----/m, 'seal.pgp-encrypted'],
]

const Seal = ({ body: { attachments, text } }: { readonly body: Body }) => {
  const found =
    SEALS.find(([type]) => attachments.some((part) => type.test(part.type))) ??
    INLINE_SEALS.find(([start]) => start.test(text))
  if (!found) return null
  return (
    <div className="fact quiet">
      <Icon name="lock" small />
      <span className="grow">{t(found[1])}</span>
    </div>
  )
}

const File = ({ part }: { readonly part: Part }) => {
  const { store } = useApplication()
  const name = withoutDirection(part.name ?? '') || (part.type === 'message/rfc822' ? 'message.eml' : 'file')
  const url = part.blobId ? store.client.download(part.blobId, name, part.type) : undefined
  const [isOpen, setIsOpen] = useState(false)
  return (
    <li>
      <Icon name="clip" small />
      <span className="cut">{name}</span>
      <span className="t3 sm">{octets(part.size)}</span>
      <span className="grow" />
      {part.blobId && part.type === 'message/rfc822' ? (
        <button
          type="button"
          className="btn link sm"
          aria-label={`${t('open')} ${name}`}
          onClick={() => setIsOpen(true)}
        >
          {t('open')}
        </button>
      ) : null}
      {isOpen && part.blobId ? (
        <Suspense fallback={null}>
          <InnerMessage blobId={part.blobId} onClose={() => setIsOpen(false)} />
        </Suspense>
      ) : null}
      {url && SHOWN.test(part.type) ? (
        <a
          className="btn link sm"
          href={url}
          target="_blank"
          rel="noopener noreferrer"
          aria-label={`${t('file.preview')} ${name}`}
        >
          {t('file.preview')}
        </a>
      ) : null}
      {url ? (
        <a className="btn link sm" href={url} download={name} aria-label={`${t('file.save')} ${name}`}>
          {t('file.save')}
        </a>
      ) : null}
    </li>
  )
}
