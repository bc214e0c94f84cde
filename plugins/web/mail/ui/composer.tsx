/**
 * Writing a message. The draft is stored on this device at each pause and on the server soon after; sending waits for
 * the stored form.
 */
import { type ReactNode, useRef, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import type { Draft } from '../store/compose.ts'
import { type PluginModule, useApplication } from './application.ts'
import { AttachButton, EditorField, FormatButtons } from './composer-editor.tsx'
import type { Editor } from './editor.ts'
import { clock, octets } from './format.ts'
import { runModule, useModules } from './modules.tsx'
import { Recipients } from './recipients.tsx'
import { laterEntries } from './send-checks.ts'
import { type Saving, useDraft } from './use-draft.ts'
import { type Rests, type SendError, useSending } from './use-sending.ts'
import { useUploads } from './use-uploads.ts'

export interface ComposerProps {
  readonly draft: Draft
  onClose(): void
  /** Opens it again, as after an undo. */
  onReopen(draft: Draft): void
}

export function Composer({ draft: first, onClose, onReopen }: ComposerProps) {
  const drafting = useDraft(first)
  const { draft, saving, editor, now, touched, change } = drafting
  const [size, setSize] = useState<'normal' | 'large' | 'folded'>('normal')
  const rests = useRef<Rests>({ to: '', cc: '', bcc: '' })
  const uploads = useUploads(now, change)
  const { error, isBusy, close: end, discard, send } = useSending({ of: drafting, uploads, rests, onClose, onReopen })

  // A waiting message is still to be sent: its window only folds.
  const close = () => (draft.isWaiting ? setSize('folded') : end())
  const title = draft.subject || t('compose.new')
  return (
    <section
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
        <IconButton
          icon={size === 'large' ? 'shrink' : 'grow'}
          small
          className="wide"
          label={size === 'large' ? t('compose.small') : t('compose.large')}
          onClick={() => setSize(size === 'large' ? 'normal' : 'large')}
        />
        <IconButton icon="x" small label={t('compose.close')} onClick={() => void close()} />
      </header>
      <div className="composer-body" hidden={size === 'folded'}>
        <From draft={draft} onChange={(identityId) => change({ identityId })} />
        <RecipientFields
          draft={draft}
          isNew={first.to.length === 0}
          hasCopies={first.cc.length + first.bcc.length > 0}
          rests={rests}
          onChange={change}
        />
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
        <Attachments draft={draft} uploading={uploads.running} onChange={change} />
        {draft.isWaiting ? <Waiting onStop={() => change({ isWaiting: false })} /> : null}
        <Complaint
          error={error ?? (uploads.error ? { text: uploads.error } : undefined)}
          onSendAnyway={() => void send(undefined, true)}
        />
        <Buttons
          editor={editor}
          isBusy={isBusy}
          onFiles={uploads.add}
          onSend={(at) => void send(at)}
          onDiscard={() => void discard()}
          actions={<PluginActions drafting={drafting} />}
        />
      </div>
    </section>
  )
}

interface ButtonsProps {
  readonly editor: { current: Editor | undefined }
  /** The message is on its way. */
  readonly isBusy: boolean
  onFiles(files: readonly File[]): void
  /** Now, or at the time given. */
  onSend(at?: Date): void
  onDiscard(): void
  readonly actions: ReactNode
}

const Buttons = ({ editor, isBusy, onFiles, onSend, onDiscard, actions }: ButtonsProps) => (
  <footer className="row cf">
    <span className="split">
      <button type="button" className="btn main" disabled={isBusy} title="Ctrl Enter" onClick={() => onSend()}>
        {t('compose.send')}
      </button>
      <MenuButton label={t('compose.later')} className="btn main" entries={laterEntries(onSend)}>
        <Icon name="down" small />
      </MenuButton>
    </span>
    <i className="sep" />
    <FormatButtons editor={editor} />
    <AttachButton onFiles={onFiles} />
    {actions}
    <span className="grow" />
    <IconButton icon="trash" label={t('compose.discard')} onClick={onDiscard} />
  </footer>
)

/** Actions of plugins on the draft. */
function PluginActions({ drafting }: { readonly drafting: ReturnType<typeof useDraft> }) {
  const app = useApplication()
  const modules = useModules('compose.action')
  if (modules.length === 0) return null
  const { current, change, editor } = drafting
  const run = (module: PluginModule) =>
    void runModule(app, module, { draft: current(), change, insert: (html) => editor.current?.insert(html) })
  return (
    <MenuButton
      label={t('more')}
      entries={modules.map((module) => ({ id: module.name, label: module.label, run: () => run(module) }))}
    >
      <Icon name="more" />
    </MenuButton>
  )
}

interface RecipientFieldsProps {
  readonly draft: Draft
  /** The cursor starts in the field of recipients. */
  readonly isNew: boolean
  readonly hasCopies: boolean
  readonly rests: { readonly current: Rests }
  onChange(patch: Partial<Draft>): void
}

function RecipientFields({ draft, isNew, hasCopies, rests, onChange }: RecipientFieldsProps) {
  const [isCcOpen, setIsCcOpen] = useState(hasCopies)
  return (
    <>
      <div className="ln-with-end">
        <Recipients
          label={t('compose.to')}
          value={draft.to}
          autoFocus={isNew}
          onChange={(to) => onChange({ to })}
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
            onChange={(cc) => onChange({ cc })}
            onRest={(rest) => {
              rests.current.cc = rest
            }}
          />
          <Recipients
            label={t('compose.bcc')}
            value={draft.bcc}
            onChange={(bcc) => onChange({ bcc })}
            onRest={(rest) => {
              rests.current.bcc = rest
            }}
          />
        </>
      ) : null}
    </>
  )
}

interface AttachmentsProps {
  readonly draft: Draft
  readonly uploading: readonly string[]
  onChange(patch: Partial<Draft>): void
}

/** The files of the draft, without the images that its text shows. */
function Attachments({ draft, uploading, onChange }: AttachmentsProps) {
  const files = draft.attachments.filter(({ cid }) => cid === undefined)
  if (files.length + uploading.length === 0) return null
  return (
    <ul className="att">
      {files.map((file) => (
        <li key={file.blobId}>
          <Icon name="clip" small />
          <span className="cut">{file.name}</span>
          <span className="t3 sm">{octets(file.size)}</span>
          <IconButton
            icon="x"
            small
            label={t('compose.remove', { name: file.name })}
            onClick={() => onChange({ attachments: draft.attachments.filter((other) => other !== file) })}
          />
        </li>
      ))}
      {uploading.map((name) => (
        <li key={name} role="status">
          <Icon name="clip" small />
          <span className="cut t3">{t('compose.uploading', { name })}</span>
        </li>
      ))}
    </ul>
  )
}

function Complaint({ error, onSendAnyway }: { readonly error: SendError | undefined; onSendAnyway(): void }) {
  if (!error) return null
  return (
    <p className="note warn" role="alert">
      <Icon name="warn" />
      <span className="grow">{error.text}</span>
      {error.isAboutFiles ? (
        <button type="button" className="btn link" onClick={onSendAnyway}>
          {t('compose.send-anyway')}
        </button>
      ) : null}
    </p>
  )
}

const Waiting = ({ onStop }: { onStop(): void }) => (
  <p className="note warn" role="status">
    <Icon name="offline" />
    <span className="grow">{t('compose.waiting')}</span>
    <button type="button" className="btn link" onClick={onStop}>
      {t('compose.waiting.stop')}
    </button>
  </p>
)

const savingText = (saving: Saving): string =>
  saving === 'no'
    ? ''
    : saving === 'kept'
      ? t('compose.kept')
      : saving === 'saving'
        ? t('compose.saving')
        : t('compose.saved', { time: clock(saving) })

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
