/** The text of a message while it is written: the editor, its buttons, and the button that attaches files. */
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { language, t } from '../../app/ui/language.ts'
import type { Draft } from '../store/compose.ts'
import { useApplication } from './application.ts'
import { type Editor, openEditor } from './editor.ts'
import { bringsColours } from './sanitise.ts'

interface EditorFieldProps {
  readonly first: Draft
  readonly editor: { current: Editor | undefined }
  onInput(): void
  onFiles(files: readonly File[]): void
}

export function EditorField({ first, editor, onInput, onFiles }: EditorFieldProps) {
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

export const FormatButtons = ({ editor }: { readonly editor: { current: Editor | undefined } }): ReactNode => {
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

export const AttachButton = ({ onFiles }: { onFiles(files: readonly File[]): void }) => {
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
