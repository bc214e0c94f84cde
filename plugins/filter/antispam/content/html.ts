/**
 * Examines one HTML part: its links, images, forms, and hidden text.
 *
 * Invariants: one pass, linear in the length of the part; every collection is bounded; any input yields facts.
 */

export interface HtmlLink {
  /** The value of `href` or `action`, with entities left as they are. */
  readonly target: string
  /** The text between the start and the end tag of `a`, without markup; empty for forms. */
  readonly text: string
}

export interface HtmlFacts {
  readonly links: readonly HtmlLink[]
  /** Characters of visible text. */
  readonly visible: number
  /** Characters of text in elements that are not displayed. */
  readonly hidden: number
  /** Characters in the colour of the background. */
  readonly invisible: number
  /** Characters at 3 pixels or less. */
  readonly tiny: number
  readonly images: number
  readonly forms: number
  /** script, iframe, object, embed, applet. */
  readonly active: number
  /** Comments or unknown tags between two letters of a word. */
  readonly brokenWords: number
  /** `font` elements with a colour or a size above 4. */
  readonly loud: number
  readonly tags: number
}

const MAX_TAGS = 20_000
const MAX_LINKS = 300
const MAX_TAG_LENGTH = 2_000
const MAX_LINK_TEXT = 300

const ATTRIBUTE = /([a-z-]{2,20})\s{0,5}=\s{0,5}(?:"([^"]{0,1000})"|'([^']{0,1000})'|([^\s"'>]{1,1000}))/gi
const NOT_DISPLAYED = /display:none|visibility:hidden|opacity:0(?![.\d])|mso-hide:all/
const TINY = /font-size:[0-3](?:\.\d{1,3})?(?:px|pt|%)?(?=;|$)/
const WHITE = /^(?:#?fff|#?ffffff|white|rgb\(255,255,255\))$/
const ACTIVE: ReadonlySet<string> = new Set(['script', 'iframe', 'object', 'embed', 'applet'])
const VOID: ReadonlySet<string> = new Set(['img', 'br', 'hr', 'input', 'meta', 'link', 'area', 'base', 'col', 'wbr'])

type Attributes = Readonly<Record<string, string>>

/** An element whose text is special, until its end tag. */
interface Region {
  readonly name: string
  depth: number
}

export function readHtml(html: string): HtmlFacts {
  const scan = new HtmlScan()
  let at = 0
  for (let count = 0; count < MAX_TAGS; count++) {
    const open = html.indexOf('<', at)
    if (open < 0) break
    scan.text(html.slice(at, open))
    const isComment = html.startsWith('<!--', open)
    const end = isComment ? html.indexOf('-->', open + 4) : html.indexOf('>', open)
    if (end < 0) {
      at = html.length
      break
    }
    const isWordBroken = isLetter(html, open - 1) && isLetter(html, end + (isComment ? 3 : 1))
    if (isComment) scan.comment(isWordBroken)
    else scan.tag(html.slice(open + 1, Math.min(end, open + MAX_TAG_LENGTH)), isWordBroken)
    at = end + (isComment ? 3 : 1)
  }
  scan.text(html.slice(at))
  return scan.facts()
}

function isLetter(text: string, at: number): boolean {
  const code = text.charCodeAt(at) | 32
  return code >= 97 && code <= 122
}

class HtmlScan {
  readonly #links: HtmlLink[] = []
  readonly #counts = { images: 0, forms: 0, active: 0, brokenWords: 0, loud: 0, tags: 0 }
  readonly #length = { visible: 0, hidden: 0, invisible: 0, tiny: 0 }
  #link: { target: string; text: string } | undefined
  #region: (Region & { readonly kind: keyof HtmlFacts & ('hidden' | 'invisible' | 'tiny') }) | undefined
  /** The element whose content is skipped. */
  #skipped: string | undefined
  #background = 'white'
  #hasOtherBackground = false

  text(text: string): void {
    if (text === '' || this.#skipped !== undefined) return
    const length = text.replace(/\s+|&nbsp;/g, '').length
    this.#length[this.#region?.kind ?? 'visible'] += length
    if (this.#link && this.#link.text.length < MAX_LINK_TEXT) this.#link.text += text.slice(0, MAX_LINK_TEXT)
  }

  comment(isWordBroken: boolean): void {
    if (isWordBroken) this.#counts.brokenWords++
  }

  tag(source: string, isWordBroken: boolean): void {
    const name = /^\/?([a-z][a-z0-9:]{0,20})/i.exec(source)?.[1]?.toLowerCase()
    if (name === undefined) {
      if (isWordBroken && !source.startsWith('!')) this.#counts.brokenWords++
      return
    }
    this.#counts.tags++
    if (source.startsWith('/')) this.#close(name)
    else this.#open(name, attributesOf(source))
  }

  #open(name: string, attributes: Attributes): void {
    if (name === 'script' || name === 'style' || name === 'title') this.#skipped = name
    if (ACTIVE.has(name)) this.#counts.active++
    if (name === 'img') this.#counts.images++
    if (name === 'form') {
      this.#counts.forms++
      this.#addLink(attributes.action ?? '', '')
    }
    if (name === 'a' || name === 'area') {
      this.#closeLink()
      if (attributes.href !== undefined) this.#link = { target: attributes.href, text: '' }
    }
    if (name === 'font' && (attributes.color !== undefined || Number(attributes.size?.replace('+', '')) > 4))
      this.#counts.loud++
    this.#readStyle(name, attributes)
  }

  #readStyle(name: string, attributes: Attributes): void {
    const style = (attributes.style ?? '').toLowerCase().replace(/\s+/g, '')
    const background = (attributes.bgcolor ?? /background(?:-color)?:([^;]{1,40})/.exec(style)?.[1])?.toLowerCase()
    if (name === 'body' && background !== undefined) this.#background = plainColour(background)
    else if (background !== undefined || attributes.background !== undefined) this.#hasOtherBackground = true
    if (VOID.has(name)) return
    if (this.#region) {
      if (this.#region.name === name) this.#region.depth++
      return
    }
    const colour = (attributes.color ?? /(?:^|;)color:([^;]{1,40})/.exec(style)?.[1])?.toLowerCase()
    const isInvisible = colour !== undefined && name !== 'body' && plainColour(colour) === this.#background
    const kind = NOT_DISPLAYED.test(style)
      ? 'hidden'
      : TINY.test(style)
        ? 'tiny'
        : isInvisible && !this.#hasOtherBackground
          ? 'invisible'
          : undefined
    if (kind !== undefined) this.#region = { name, depth: 1, kind }
  }

  #close(name: string): void {
    if (this.#skipped === name) this.#skipped = undefined
    if (name === 'a') this.#closeLink()
    if (this.#region?.name === name && --this.#region.depth === 0) this.#region = undefined
  }

  #closeLink(): void {
    if (this.#link) this.#addLink(this.#link.target, this.#link.text)
    this.#link = undefined
  }

  #addLink(target: string, text: string): void {
    if (this.#links.length < MAX_LINKS) this.#links.push({ target, text: text.replace(/\s+/g, ' ').trim() })
  }

  facts(): HtmlFacts {
    this.#closeLink()
    return { links: this.#links, ...this.#length, ...this.#counts }
  }
}

function plainColour(colour: string): string {
  return WHITE.test(colour) ? 'white' : colour.replace(/^#/, '')
}

function attributesOf(tag: string): Attributes {
  const attributes: Record<string, string> = {}
  for (const [, name = '', double, single, bare] of tag.matchAll(ATTRIBUTE))
    attributes[name.toLowerCase()] ??= double ?? single ?? bare ?? ''
  return attributes
}
