/**
 * Writing a message. The draft is stored on this device at each pause and on the server soon after; sending waits for
 * the stored form.
 */
import { type ReactNode, useCallback, useEffect, useRef, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { language, t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import { type Attached, type Draft, discardDraft, isUntouched, saveDraft, sendDraft } from '../store/compose.ts'
import { nameOf } from '../store/objects.ts'
import { type Application, useApplication } from './application.ts'
import { forgetDraft, holdDraft, keepDraft } from './draft-box.ts'
import { type Editor, openEditor } from './editor.ts'
import { clock, octets, weekdayTime } from './format.ts'
import { hostOf, loadModule } from './modules.tsx'
import { Recipients } from './recipients.tsx'
import { bringsColours } from './sanitise.ts'

const KEEP_AFTER_MS = 400
const SAVE_AFTER_MS = 2000

export interface ComposerProps {
  readonly draft: Draft
  onClose(): void
  /** Opens it again, as after an undo. */
  onReopen(draft: Draft): void
}

type Saving = 'no' | 'kept' | 'saving' | Date

/** The current draft, and its storage. */
function useDraft(first: Draft) {
  const { store } = useApplication()
  const [draft, setDraft] = useState(first)
  const [saving, setSaving] = useState<Saving>('no')
  const now = useRef(first)
  const editor = useRef<Editor | undefined>(undefined)
  const timers = useRef<{ keep?: ReturnType<typeof setTimeout>; save?: ReturnType<typeof setTimeout> }>({})
  const running = useRef<Promise<unknown>>(Promise.resolve())
  const isClosed = useRef(false)

  const current = useCallback((): Draft => {
    const html = editor.current?.html() ?? now.current.html
    now.current = { ...now.current, html }
    return now.current
  }, [])
  const keptOf = useCallback(
    (stored: Draft) => ({
      key: stored.key,
      account: store.client.account,
      draft: stored,
      plain: editor.current?.text() ?? '',
    }),
    [store],
  )
  useEffect(() => holdDraft(first.key), [first.key])
  /** Stores it on the server; one at a time. */
  const save = useCallback((): Promise<void> => {
    clearTimeout(timers.current.save)
    const next = running.current
      .catch(() => undefined)
      .then(async () => {
        const stored = current()
        setSaving('saving')
        try {
          const emailId = await saveDraft(store, stored, editor.current?.text() ?? '')
          now.current = { ...now.current, emailId }
          setSaving(new Date())
          // Until the composer is closed, the draft comes back with the window.
          if (isClosed.current) await forgetDraft(stored.key)
          else await keepDraft({ ...keptOf(stored), draft: { ...stored, emailId } })
        } catch (cause) {
          setSaving('kept')
          throw cause
        }
      })
    running.current = next
    return next
  }, [current, keptOf, store])
  const touched = useCallback(() => {
    if (isClosed.current) return
    clearTimeout(timers.current.keep)
    clearTimeout(timers.current.save)
    timers.current.keep = setTimeout(() => {
      const stored = current()
      const kept = keptOf(stored)
      if (!isUntouched(stored, kept.plain)) void keepDraft(kept).catch(() => undefined)
    }, KEEP_AFTER_MS)
    timers.current.save = setTimeout(() => {
      if (!isUntouched(current(), editor.current?.text() ?? '')) void save().catch(() => undefined)
    }, SAVE_AFTER_MS)
  }, [current, save, keptOf])
  const change = useCallback(
    (patch: Partial<Draft>) => {
      now.current = { ...now.current, ...patch }
      setDraft(now.current)
      touched()
    },
    [touched],
  )
  const stop = useCallback(() => {
    isClosed.current = true
    clearTimeout(timers.current.keep)
    clearTimeout(timers.current.save)
  }, [])
  return { draft, saving, editor, now, current, save, touched, change, stop }
}

export function Composer({ draft: first, onClose, onReopen }: ComposerProps) {
  const app = useApplication()
  const { store, say } = app
  const { draft, saving, editor, now, current, save, touched, change, stop } = useDraft(first)
  const [size, setSize] = useState<'normal' | 'large' | 'folded'>('normal')
  const [isCcOpen, setIsCcOpen] = useState(first.cc.length + first.bcc.length > 0)
  const [error, setError] = useState<{ readonly text: string; readonly isAboutFiles?: boolean }>()
  const [isBusy, setIsBusy] = useState(false)
  const rests = useRef({ to: '', cc: '', bcc: '' })
  const box = useRef<HTMLElement>(null)
  const uploads = useUploads(now, change)

  const close = async () => {
    stop()
    const plain = editor.current?.text() ?? ''
    try {
      if (isUntouched(current(), plain)) await forgetDraft(first.key)
      else await save()
    } catch {
      // It stays on this device and is opened again.
    }
    onClose()
  }
  const discard = async () => {
    stop()
    const thrown = current()
    onClose()
    await forgetDraft(thrown.key)
    await discardDraft(store, thrown).catch(() => undefined)
    const { emailId: _, ...again } = thrown
    say({ text: t('done.discarded'), undo: async () => onReopen(again) })
  }
  const send = async (sendAt?: Date, withoutFiles = false) => {
    const rest = Object.values(rests.current).find((text) => text.trim() !== '')
    if (rest) return setError({ text: t('compose.not-address', { text: rest.trim() }) })
    const { to, cc, bcc, attachments } = now.current
    if (to.length + cc.length + bcc.length === 0) return setError({ text: t('compose.nobody') })
    if (!withoutFiles && attachments.length === 0 && speaksOfFiles(editor.current?.text() ?? '', now.current.subject))
      return setError({ text: t('compose.forgotten'), isAboutFiles: true })
    setIsBusy(true)
    setError(undefined)
    try {
      await uploads.all()
      const objection = await firstObjection(app, now.current)
      if (objection !== undefined) throw new Error(objection)
      await save()
      stop()
      const sent = now.current
      const takeBack = await sendDraft(store, sent, sendAt)
      await forgetDraft(sent.key)
      const names = [...sent.to, ...sent.cc, ...sent.bcc].map(nameOf).join(', ')
      say({
        text: sendAt ? t('done.scheduled', { when: weekdayTime(sendAt) }) : t('done.sent', { names }),
        undo: async () => {
          await takeBack()
          onReopen(sent)
        },
      })
      onClose()
    } catch (cause) {
      setError({ text: t('compose.not-sent', { why: (cause as Error).message }) })
      setIsBusy(false)
    }
  }

  const title = draft.subject || t('compose.new')
  return (
    <section
      ref={box}
      className={`composer ${size}`}
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void send()
        else if (event.key === 'Escape') void close()
        else return
        event.preventDefault()
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        if (event.dataTransfer.files.length === 0) return
        event.preventDefault()
        uploads.add([...event.dataTransfer.files])
      }}
    >
      <header className="row ch">
        <h2 className="b grow cut">{title}</h2>
        <span className="sm t3" role="status">
          {savingText(saving)}
        </span>
        <IconButton
          icon={size === 'folded' ? 'up' : 'down'}
          small
          className="wide"
          label={size === 'folded' ? t('compose.unfold') : t('compose.fold')}
          onClick={() => setSize(size === 'folded' ? 'normal' : 'folded')}
        />
        <IconButton icon="x" small label={t('compose.close')} onClick={() => void close()} />
      </header>
      <div className="composer-body" hidden={size === 'folded'}>
        <From draft={draft} onChange={(identityId) => change({ identityId })} />
        <div className="ln-with-end">
          <Recipients
            label={t('compose.to')}
            value={draft.to}
            autoFocus={first.to.length === 0}
            onChange={(to) => change({ to })}
            onRest={(rest) => {
              rests.current.to = rest
            }}
          />
          {isCcOpen ? null : (
            <button type="button" className="btn link cc" onClick={() => setIsCcOpen(true)}>
              {t('compose.cc')} / {t('compose.bcc')}
            </button>
          )}
        </div>
        {isCcOpen ? (
          <>
            <Recipients
              label={t('compose.cc')}
              value={draft.cc}
              onChange={(cc) => change({ cc })}
              onRest={(rest) => {
                rests.current.cc = rest
              }}
            />
            <Recipients
              label={t('compose.bcc')}
              value={draft.bcc}
              onChange={(bcc) => change({ bcc })}
              onRest={(rest) => {
                rests.current.bcc = rest
              }}
            />
          </>
        ) : null}
        <div className="ln">
          <label className="lb" htmlFor={`subject-${draft.key}`}>
            {t('compose.subject')}
          </label>
          <input
            id={`subject-${draft.key}`}
            className="bare grow"
            value={draft.subject}
            onChange={({ target }) => change({ subject: target.value })}
          />
        </div>
        <EditorField first={first} editor={editor} onInput={touched} onFiles={uploads.add} />
        {draft.attachments.some(({ cid }) => cid === undefined) || uploads.running.length > 0 ? (
          <ul className="att">
            {draft.attachments
              .filter(({ cid }) => cid === undefined)
              .map((file) => (
                <li key={file.blobId}>
                  <Icon name="clip" small />
                  <span className="cut">{file.name}</span>
                  <span className="t3 sm">{octets(file.size)}</span>
                  <IconButton
                    icon="x"
                    small
                    label={t('compose.remove', { name: file.name })}
                    onClick={() => change({ attachments: draft.attachments.filter((other) => other !== file) })}
                  />
                </li>
              ))}
            {uploads.running.map((name) => (
              <li key={name} role="status">
                <Icon name="clip" small />
                <span className="cut t3">{t('compose.uploading', { name })}</span>
              </li>
            ))}
          </ul>
        ) : null}
        {error || uploads.error ? (
          <p className="note warn" role="alert">
            <Icon name="warn" />
            <span className="grow">{error?.text ?? uploads.error}</span>
            {error?.isAboutFiles ? (
              <button type="button" className="btn link" onClick={() => void send(undefined, true)}>
                {t('compose.send-anyway')}
              </button>
            ) : null}
          </p>
        ) : null}
        <footer className="row cf">
          <span className="split">
            <button type="button" className="btn main" disabled={isBusy} title="Ctrl Enter" onClick={() => void send()}>
              {t('compose.send')}
            </button>
            <MenuButton label={t('compose.later')} className="btn main" entries={laterEntries((at) => void send(at))}>
              <Icon name="down" small />
            </MenuButton>
          </span>
          <i className="sep" />
          <FormatButtons editor={editor} />
          <AttachButton onFiles={uploads.add} />
          <span className="grow" />
          <IconButton icon="trash" label={t('compose.discard')} onClick={() => void discard()} />
        </footer>
      </div>
    </section>
  )
}

/** A plugin's objection to the message; a failing plugin has none. */
async function firstObjection(app: Application, draft: Draft): Promise<string | undefined> {
  const checks = (await app.modules).filter(({ slot }) => slot === 'compose.check')
  for (const module of checks) {
    const objection = await loadModule(module)
      .then(({ check }) => check?.(hostOf(app, { draft })))
      .catch(() => undefined)
    if (typeof objection === 'string') return objection
  }
  return undefined
}

const savingText = (saving: Saving): string =>
  saving === 'no'
    ? ''
    : saving === 'kept'
      ? t('compose.kept')
      : saving === 'saving'
        ? t('compose.saving')
        : t('compose.saved', { time: clock(saving) })

/** Whether the text, without quotations, mentions an attachment. */
function speaksOfFiles(text: string, subject: string): boolean {
  const own = `${subject}\n${text}`.split(/\n(?:>|On .{1,200} wrote:|Am .{1,200} schrieb)/)[0]?.toLowerCase() ?? ''
  return t('attachment-words')
    .split(',')
    .some((word) => own.includes(word))
}

function laterEntries(run: (at: Date) => void) {
  const at = (days: number, hour: number) => {
    const date = new Date()
    date.setDate(date.getDate() + days)
    date.setHours(hour, 0, 0, 0)
    return date
  }
  const today = new Date()
  const toMonday = (8 - today.getDay()) % 7 || 7
  const times = [
    ...(today.getHours() < 13 ? [['afternoon', at(0, 14)] as const] : []),
    ['tomorrow', at(1, 8)] as const,
    ['monday', at(toMonday, 8)] as const,
  ]
  return times.map(([id, date]) => ({
    id,
    label: t(`compose.later.${id}`),
    end: weekdayTime(date),
    run: () => run(date),
  }))
}

function useUploads(now: { readonly current: Draft }, change: (patch: Partial<Draft>) => void) {
  const { store } = useApplication()
  const [running, setRunning] = useState<readonly string[]>([])
  const [error, setError] = useState('')
  const promises = useRef(new Set<Promise<void>>())
  const add = useCallback(
    (files: readonly File[]) => {
      for (const file of files) {
        setRunning((names) => [...names, file.name])
        const upload = (async () => {
          try {
            const blobId = await store.client.upload(file)
            const type = file.type || 'application/octet-stream'
            const attached: Attached = { blobId, name: file.name, type, size: file.size }
            change({ attachments: [...now.current.attachments, attached] })
          } catch (cause) {
            setError(t('compose.upload-failed', { name: file.name, why: (cause as Error).message }))
          } finally {
            setRunning((names) => names.filter((name) => name !== file.name))
          }
        })()
        promises.current.add(upload)
        void upload.finally(() => promises.current.delete(upload))
      }
    },
    [store, change, now],
  )
  const all = useCallback(async () => void (await Promise.all(promises.current)), [])
  return { running, error, add, all }
}

function From({ draft, onChange }: { readonly draft: Draft; onChange(identityId: string): void }) {
  const { store } = useApplication()
  if (store.identities.length < 2) return null
  return (
    <div className="ln">
      <label className="lb" htmlFor={`from-${draft.key}`}>
        {t('compose.from')}
      </label>
      <select
        id={`from-${draft.key}`}
        className="bare"
        value={draft.identityId}
        onChange={({ target }) => onChange(target.value)}
      >
        {store.identities.map(({ id, name, email }) => (
          <option key={id} value={id}>
            {name ? `${name} <${email}>` : email}
          </option>
        ))}
      </select>
    </div>
  )
}

interface EditorFieldProps {
  readonly first: Draft
  readonly editor: { current: Editor | undefined }
  onInput(): void
  onFiles(files: readonly File[]): void
}

function EditorField({ first, editor, onInput, onFiles }: EditorFieldProps) {
  const { store } = useApplication()
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!place.current) return
    const cidUrl = (cid: string) => {
      const found = first.attachments.find((one) => one.cid === cid)
      return found && store.client.download(found.blobId, found.name, found.type)
    }
    const opened = openEditor(place.current, { html: editor.current?.html() ?? first.html, cidUrl, onInput })
    editor.current = opened
    if (first.to.length > 0) opened.focus()
    return () => opened.close()
  }, [])
  return (
    <div
      ref={place}
      className={bringsColours(first.html) ? 'ed paper' : 'ed'}
      role="textbox"
      aria-multiline="true"
      aria-label={t('compose.text')}
      lang={language()}
      tabIndex={0}
      onPaste={(event) => {
        const files = [...event.clipboardData.files]
        if (files.length === 0) return
        event.preventDefault()
        onFiles(files)
      }}
    />
  )
}

const FormatButtons = ({ editor }: { readonly editor: { current: Editor | undefined } }): ReactNode => {
  const [isLinking, setIsLinking] = useState(false)
  const setLink = (url: string) => {
    setIsLinking(false)
    if (url !== '') editor.current?.link(/^[a-z]+:/i.test(url) ? url : `https://${url}`)
  }
  return (
    <>
      <IconButton
        icon="bold"
        className="wide"
        label={t('compose.bold')}
        shortcut="Ctrl B"
        onClick={() => editor.current?.bold()}
      />
      <IconButton
        icon="italic"
        className="wide"
        label={t('compose.italic')}
        shortcut="Ctrl I"
        onClick={() => editor.current?.italic()}
      />
      <IconButton icon="list" className="wide" label={t('compose.list')} onClick={() => editor.current?.list()} />
      <IconButton icon="quote" className="wide" label={t('compose.quote')} onClick={() => editor.current?.quote()} />
      <IconButton
        icon="link"
        className="wide"
        label={t('compose.link')}
        pressed={isLinking}
        onClick={() => setIsLinking(!isLinking)}
      />
      {isLinking ? (
        <input
          className="input link-input"
          type="url"
          aria-label={t('compose.link.ask')}
          placeholder="https://"
          autoFocus
          onKeyDown={(event) => {
            if (event.key === 'Enter') setLink(event.currentTarget.value.trim())
            else if (event.key === 'Escape') setIsLinking(false)
            else return
            event.preventDefault()
            event.stopPropagation()
          }}
        />
      ) : null}
    </>
  )
}

const AttachButton = ({ onFiles }: { onFiles(files: readonly File[]): void }) => {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        tabIndex={-1}
        aria-label={t('compose.attach')}
        onChange={({ target }) => {
          onFiles([...(target.files ?? [])])
          target.value = ''
        }}
      />
      <IconButton icon="clip" label={t('compose.attach')} onClick={() => input.current?.click()} />
    </>
  )
}
