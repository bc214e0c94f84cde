/**
 * The HTML of a message in a frame that runs nothing (`/mail/frame`, see the plugin): written by this page, as high as
 * its content, in the page's colours unless the mail brings its own.
 */
import { useEffect, useRef, useState } from 'react'
import { isDark } from '../../app/ui/appearance.ts'
import { bringsColours, type CidUrl, type ImageUrl, safeDocument } from './sanitise.ts'

const MAX_HEIGHT = 60_000

const BASE = (paper: boolean, style: CSSStyleDeclaration) => {
  const [text, surface, link] = paper
    ? ['#1d1b18', '#ffffff', '#0b5866']
    : ['--c-text', '--c-surface', '--c-accent-text'].map((name) => resolved(style, name))
  return `:root{color-scheme:${paper || !isDark() ? 'light' : 'dark'};background:${surface}}
body{margin:${paper && isDark() ? '12px' : '0'};color:${text};font:14px/1.57 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;overflow-wrap:break-word;overflow-x:auto;overflow-y:hidden}
a{color:${link}}img{max-width:100%;height:auto}pre{white-space:pre-wrap}
img:not([src]){background:rgb(128 128 128/.12);border-radius:3px;font-size:12px}
blockquote{margin:8px 0;padding:0 0 0 12px;border-left:2px solid #8a857c}`
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
    base.textContent = BASE(isPaper, getComputedStyle(document.documentElement))
    const next = inside.adoptNode(root)
    ;(next.querySelector('head') ?? next).prepend(base)
    next.lang = document.documentElement.lang
    inside.replaceChild(next, inside.documentElement)
    inside.title = title
    const fit = () => {
      const height = Math.max(inside.body?.scrollHeight ?? 0, inside.body?.offsetHeight ?? 0)
      current.style.height = `${Math.min(height + (isPaper ? 24 : 2), MAX_HEIGHT)}px`
    }
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
