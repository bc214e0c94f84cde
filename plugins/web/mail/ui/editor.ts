/**
 * The editor of a message's text. The only importer of Squire: its HTML is the message's HTML.
 */
import Squire from 'squire-rte'
import { type CidUrl, safeFragment, sentMarkup } from './sanitise.ts'

export interface Editor {
  html(): string
  text(): string
  focus(): void
  bold(): void
  italic(): void
  list(): void
  quote(): void
  link(url: string): void
  /** At the cursor, without unsafe elements. */
  insert(html: string): void
  close(): void
}

const isSet = (squire: Squire, tag: string) => squire.hasFormat(tag)

export interface EditorOptions {
  readonly html: string
  readonly cidUrl: CidUrl
  onInput(): void
}

export function openEditor(root: HTMLElement, { html, cidUrl, onInput }: EditorOptions): Editor {
  const squire = new Squire(root, {
    blockTag: 'DIV',
    sanitizeToDOMFragment: (markup: string) => safeFragment(markup, cidUrl),
  })
  squire.setHTML(html)
  squire.addEventListener('input', onInput)
  return {
    html: () => sentMarkup(root),
    text: () => root.innerText,
    focus() {
      squire.moveCursorToStart()
      squire.focus()
    },
    bold: () => void (isSet(squire, 'B') ? squire.removeBold() : squire.bold()),
    italic: () => void (isSet(squire, 'I') ? squire.removeItalic() : squire.italic()),
    list: () => void (isSet(squire, 'UL') ? squire.removeList() : squire.makeUnorderedList()),
    quote: () => void squire.increaseQuoteLevel(),
    link: (url) => void squire.makeLink(url, { rel: 'noopener noreferrer', target: '_blank' }),
    insert: (markup) => void squire.insertHTML(markup),
    close: () => squire.destroy(),
  }
}
