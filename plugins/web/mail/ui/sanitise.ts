/**
 * Makes remote HTML safe to display. The only file that imports DOMPurify.
 *
 * Invariants: no external URL remains where a browser would load it automatically; scripts and forms are removed. The
 * frame's policy forbids the same again.
 */
import DOMPurify from 'dompurify'

export interface Safe {
  readonly root: HTMLElement
  /** Remote images that were left out. */
  readonly remote: number
  /** Whether there is nothing to see. */
  readonly isEmpty: boolean
}

/** The URL of a remote image at this server, once the reader allows it. */
export type ImageUrl = (url: string) => string

/** The URL of a `cid:` part, or undefined when there is none. */
export type CidUrl = (cid: string) => string | undefined

const INLINE_IMAGE = /^data:image\/(?:png|jpe?g|gif|webp|bmp|avif);/i
/** In place of a spacer, which keeps columns as wide as their author wants them. */
export const BLANK = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'
const LINK = /^(?:https?:|mailto:|tel:|#)/i
/** DOMPurify asks this of nearly all attributes, widths and colours too: a known scheme, or none. */
const VALUE = /^(?:https?:|mailto:|tel:|cid:|data:image\/|[^a-z]|[a-z+.-]{1,200}(?:[^a-z+.:-]|$))/i
const CSS_ESCAPE = /\\(?:([0-9a-f]{1,6})\s?|([\s\S]))/gi
const CSS_URL = /\burl\s*\([^)]{0,2000}\)?/gi
/** Other functions that take a URL, and unterminated URLs. */
const CSS_LOADING = /(?:url|src|image|image-set|cross-fade|element|paint)(?=\s*\()|@import/gi
const REMOTE = /^(?:https?:)?\/\//i
const LOADING = [
  'src',
  'srcset',
  'background',
  'poster',
  'data',
  'action',
  'formaction',
  'ping',
  'longdesc',
  'lowsrc',
  'dynsrc',
  'xlink:href',
]

const FORBIDDEN_TAGS = [
  'form',
  'input',
  'button',
  'select',
  'textarea',
  'option',
  'svg',
  'math',
  'audio',
  'video',
  'source',
  'track',
  'iframe',
  'frame',
  'object',
  'embed',
  'link',
  'meta',
  'base',
  'dialog',
  'portal',
  'template',
  'slot',
]

const MAX_CODE_POINT = 0x10ffff

/** Escapes are decoded first, so that the rest is what the browser reads. */
const withoutUrls = (css: string): string =>
  css
    .replace(CSS_ESCAPE, (_, hex: string | undefined, plain = '') => {
      const code = hex === undefined ? 0 : Number.parseInt(hex, 16)
      return hex === undefined ? plain : code > 0 && code <= MAX_CODE_POINT ? String.fromCodePoint(code) : ''
    })
    .replaceAll('\\', '')
    .replace(CSS_URL, 'none')
    .replace(CSS_LOADING, 'not-loaded')

interface Sources {
  readonly cidUrl: CidUrl
  readonly imageUrl?: ImageUrl | undefined
}

function cleanElement(element: Element, { cidUrl, imageUrl }: Sources): number {
  let remote = 0
  for (const name of LOADING) {
    const value = element.getAttribute(name)?.trim()
    if (value === undefined) continue
    const cid = element.getAttribute('data-cid') ?? /^cid:(.{1,500})$/i.exec(value)?.[1]
    const inline = cid === undefined ? undefined : cidUrl(cid)
    if (name === 'src' && inline !== undefined && element.tagName === 'IMG') {
      element.setAttribute('src', inline)
      element.setAttribute('data-cid', cid as string)
    } else if (!(name === 'src' && INLINE_IMAGE.test(value))) {
      element.removeAttribute(name)
      // Tracking pixels and the like are counted with the rest: a person sees one number.
      if (name === 'src' && REMOTE.test(value)) {
        remote++
        // An answer keeps the image without loading it.
        element.setAttribute('data-remote', value)
        if (element.tagName === 'IMG') {
          if (imageUrl) element.setAttribute('src', imageUrl(value.replace(/^\/\//, 'https://')))
          else if ((element.getAttribute('alt') ?? '').trim() === '') element.setAttribute('src', BLANK)
        }
      }
    }
  }
  if (element.tagName === 'IMG' && !element.hasAttribute('alt')) element.setAttribute('alt', '')
  const style = element.getAttribute('style')
  if (style) element.setAttribute('style', withoutUrls(style))
  if (element.tagName === 'STYLE') element.textContent = withoutUrls(element.textContent ?? '')
  const href = element.getAttribute('href')
  if (href !== null) {
    if (LINK.test(href.trim())) {
      element.setAttribute('target', '_blank')
      element.setAttribute('rel', 'noopener noreferrer nofollow')
    } else element.removeAttribute('href')
  }
  return remote
}

/** A mail with its own colours or backgrounds is shown on white paper, as its author saw it. */
export const bringsColours = (html: string): boolean =>
  /\b(?:bgcolor|text|v?link)\s*=\s*["']?(?:#|[a-z]+\b)|background(?:-color)?\s*:|[^-]\bcolor\s*[:=]/i.test(html)

function isEmpty(root: HTMLElement): boolean {
  const body = root.querySelector('body')?.cloneNode(true) as HTMLElement | undefined
  for (const element of body?.querySelectorAll('style, title') ?? []) element.remove()
  return !body?.querySelector('img, hr') && (body?.textContent ?? '').trim() === ''
}

/** A whole document whose parts are safe. */
export function safeDocument(html: string, sources: Sources): Safe {
  const root = DOMPurify.sanitize(html, {
    WHOLE_DOCUMENT: true,
    RETURN_DOM: true,
    USE_PROFILES: { html: true },
    FORBID_TAGS: FORBIDDEN_TAGS,
    FORBID_ATTR: ['id', 'autofocus', 'tabindex', 'contenteditable', 'accesskey', 'popover', 'usemap'],
    ADD_TAGS: ['style', 'head', 'title'],
    ADD_ATTR: ['text', 'link'],
    ALLOW_UNKNOWN_PROTOCOLS: false,
    ALLOWED_URI_REGEXP: VALUE,
  }) as unknown as HTMLElement
  let remote = 0
  for (const element of [root, ...root.querySelectorAll('*')]) remote += cleanElement(element, sources)
  return { root, remote, isEmpty: isEmpty(root) }
}

/** The body's content for an answer: images inside the text keep their `cid:`. */
export function safeMarkup(html: string): string {
  const { root } = safeDocument(html, { cidUrl: (cid) => `cid:${cid}` })
  for (const element of root.querySelectorAll('style, title')) element.remove()
  return root.querySelector('body')?.innerHTML ?? ''
}

/** A fragment for the editor, which shows inline images. */
export function safeFragment(html: string, cidUrl: CidUrl): DocumentFragment {
  const { root } = safeDocument(html, { cidUrl })
  const fragment = document.createDocumentFragment()
  for (const element of root.querySelectorAll('style, title')) element.remove()
  fragment.append(...(root.querySelector('body')?.childNodes ?? []))
  return document.importNode(fragment, true)
}

/** The editor's content for sending, with the images' original URLs. */
export function sentMarkup(content: HTMLElement): string {
  const copy = content.cloneNode(true) as HTMLElement
  const inert = document.implementation.createHTMLDocument('')
  inert.adoptNode(copy)
  for (const image of copy.querySelectorAll('img[data-cid], img[data-remote]')) {
    const { cid, remote } = (image as HTMLElement).dataset
    // A message can bring such an attribute itself.
    const address = cid === undefined ? remote : `cid:${cid}`
    if (address !== undefined && /^(?:cid:|(?:https?:)?\/\/)/i.test(address)) image.setAttribute('src', address)
    else image.removeAttribute('src')
    image.removeAttribute('data-cid')
    image.removeAttribute('data-remote')
  }
  return copy.innerHTML
}
