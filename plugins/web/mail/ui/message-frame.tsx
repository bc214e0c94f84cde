/**
 * The HTML of a message in a frame that runs nothing (`/mail/frame`, see the plugin): written by this page, as high as
 * its content, in the page's colours unless the mail brings its own.
 */
import { useEffect, useRef, useState } from 'react'
import { isDark } from '../../app/ui/appearance.ts'
import { BLANK, bringsColours, type CidUrl, type ImageUrl, safeDocument } from './sanitise.ts'

const MAX_HEIGHT = 60_000
/** Below this, text is too small: the message scrolls sideways. */
const MIN_ZOOM = 0.4
const MAX_ROUNDS = 3
const SCROLLBAR = 16

const BASE = (paper: boolean, style: CSSStyleDeclaration) => {
  const [text, surface, link] = paper
    ? ['#1d1b18', '#ffffff', '#0b5866']
    : ['--c-text', '--c-surface', '--c-accent-text'].map((name) => resolved(style, name))
  return `:root{color-scheme:${paper || !isDark() ? 'light' : 'dark'};background:${surface}}
body{margin:${paper && isDark() ? '12px' : '0'};color:${text};font:14px/1.57 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;overflow-wrap:break-word;overflow-x:auto;overflow-y:hidden}
a{color:${link}}img{max-width:100%}img:not([src="${BLANK}"]){height:auto}img[src="${BLANK}"]:not([height]){height:1px}pre{white-space:pre-wrap}table{max-width:100%}
img:not([src]){background:light-dark(#ecebe7,#3a3732);color:light-dark(#57534c,#bcb7ad);border-radius:3px;display:inline-block;font:12px/1.4 system-ui,sans-serif;overflow:hidden;text-overflow:ellipsis}
blockquote{margin:8px 0;padding:0 0 0 12px;border-left:2px solid #8a857c}
@media print{:root{color-scheme:light;background:#fff}body{color:${paper ? text : '#000'};margin:0}a{color:inherit}}`
}

/** A token's value for this theme: `light-dark()` is resolved by an element's own colour. */
function resolved(style: CSSStyleDeclaration, name: string): string {
  const probe = document.createElement('i')
  probe.style.color = style.getPropertyValue(name)
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Shrinks a message that is wider than the frame, and makes the frame as high as the message. */
function fitFrame(frame: HTMLIFrameElement, { documentElement: root, body }: Document): void {
  if (!body) return
  body.style.removeProperty('zoom')
  let zoom = 1
  // Text that is smaller breaks elsewhere, so once may not be enough.
  for (let round = 0; round < MAX_ROUNDS && root.scrollWidth > root.clientWidth && zoom > MIN_ZOOM; round++) {
    zoom = Math.max(MIN_ZOOM, (zoom * root.clientWidth) / root.scrollWidth)
    body.style.setProperty('zoom', String(zoom))
  }
  const scrollbar = root.scrollWidth > root.clientWidth ? SCROLLBAR : 0
  const height = Math.ceil(Math.max(root.offsetHeight, body.getBoundingClientRect().bottom)) + scrollbar
  frame.style.height = `${Math.min(height + 2, MAX_HEIGHT)}px`
}

/** The colours that the attributes of an old `<body>` ask for, as a style sheet; those of the base would win. */
const coloursOf = (body: Element | null): string =>
  ['text', 'link']
    .map((name) => {
      const colour = body?.getAttribute(name)?.trim() ?? ''
      return CSS.supports('color', colour) ? `${name === 'text' ? 'body' : 'a'}{color:${colour}}` : ''
    })
    .join('')

export interface MessageFrameProps {
  readonly html: string
  readonly title: string
  readonly cidUrl: CidUrl
  /** Present when the reader allows remote images. */
  readonly imageUrl: ImageUrl | undefined
  onShown(shown: { readonly remote: number; readonly isEmpty: boolean }): void
}

export function MessageFrame({ html, title, cidUrl, imageUrl, onShown }: MessageFrameProps) {
  const frame = useRef<HTMLIFrameElement>(null)
  const [theme, setTheme] = useState(isDark)
  const [isReady, setIsReady] = useState(false)
  useEffect(() => {
    const look = () => setTheme(isDark())
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    addEventListener('iems-theme', look)
    scheme.addEventListener('change', look)
    return () => {
      removeEventListener('iems-theme', look)
      scheme.removeEventListener('change', look)
    }
  }, [])
  useEffect(() => {
    const { current } = frame
    const inside = current?.contentDocument
    if (!current || !inside || !isReady) return
    const { root, remote, isEmpty } = safeDocument(html, { cidUrl, imageUrl })
    onShown({ remote, isEmpty })
    const isPaper = bringsColours(html)
    const base = inside.createElement('style')
    const next = inside.adoptNode(root)
    base.textContent = BASE(isPaper, getComputedStyle(document.documentElement)) + coloursOf(next.querySelector('body'))
    ;(next.querySelector('head') ?? next).prepend(base)
    next.lang = document.documentElement.lang
    inside.replaceChild(next, inside.documentElement)
    inside.title = title
    // The height of the whole window would grow with the frame, and its width would be that beside the margins.
    for (const one of [inside.documentElement, inside.body])
      for (const name of ['height', 'min-height', 'width']) one?.style.setProperty(name, 'auto', 'important')
    // Text does not touch the edge of a coloured sheet.
    const sheet = inside.body && getComputedStyle(inside.body).backgroundColor
    if (sheet && !/^rgba\(0, 0, 0, 0\)$|^rgb\(255, 255, 255\)$/.test(sheet)) inside.body.style.padding = '12px'
    const fit = () => fitFrame(current, inside)
    const observer = new ResizeObserver(fit)
    if (inside.body) observer.observe(inside.body)
    fit()
    // Keys work with the focus in the message too.
    const pass = (event: KeyboardEvent) => document.dispatchEvent(new KeyboardEvent('keydown', event))
    inside.addEventListener('keydown', pass)
    return () => {
      observer.disconnect()
      inside.removeEventListener('keydown', pass)
    }
  }, [html, title, cidUrl, imageUrl, onShown, theme, isReady])
  return (
    <iframe
      ref={frame}
      className="frame"
      title={title}
      src="/mail/frame"
      sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
      onLoad={() => setIsReady(true)}
    />
  )
}
