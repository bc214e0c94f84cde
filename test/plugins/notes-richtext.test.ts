/**
 * Rich text of Notes as MIME, and back: what a message says of a text is enough to make the same rich text of it, and
 * from that the same message. The way back is here, since nothing writes rich text for Notes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simpleParser } from 'mailparser'
import { convert } from '../../plugins/gateway/notes/message/convert.ts'
import { noAddressBook } from '../../plugins/gateway/notes/names.ts'
import type { Block, Inline, RichText, TextStyle } from '../../plugins/gateway/notes/richtext/model.ts'
import { documentWith } from '../support/notes.ts'
import { fc } from '../support/property.ts'

const OPTIONS = { book: noAddressBook, domain: 'notes.invalid', replicaId: '85256A0000000001' }

async function mailOf(rich: RichText) {
  const document = { ...documentWith({ Form: ['Memo'], Subject: ['x'] }), names: ['Body'], richText: () => rich }
  const converted = await convert(document, OPTIONS)
  const octets = Buffer.concat(await Array.fromAsync(converted?.open() ?? []))
  const mail = await simpleParser(octets, { skipImageLinks: true })
  const images = new Map(mail.attachments.map(({ contentId = '', content }) => [contentId.slice(1, -1), content]))
  return {
    octets: octets.toString('latin1'),
    html: mail.html || '',
    text: mail.text ?? '',
    images,
    lost: converted?.lost,
  }
}

const ENTITIES: Readonly<Record<string, string>> = { nbsp: ' ', lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" }
const decoded = (text: string) => text.replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)

type Tag = { readonly name: string; readonly attributes: string; readonly isEnd: boolean }
type Token = string | Tag

function tokensOf(html: string): Token[] {
  const body = html.slice(html.indexOf('<body>') + 6, html.indexOf('</body>'))
  return [...body.matchAll(/<(\/?)([a-z]+)([^>]*)>|([^<]+)/g)].flatMap(
    ([, end, name, attributes = '', text]): Token[] =>
      name === undefined ? [decoded(text ?? '')] : [{ name, attributes, isEnd: end === '/' }],
  )
}

const attribute = ({ attributes }: Tag, name: string) =>
  decoded(new RegExp(`${name}="([^"]*)"`).exec(attributes)?.[1] ?? '')

const STYLES: Readonly<Record<string, TextStyle>> = {
  b: { bold: true },
  i: { italic: true },
  u: { underline: true },
  s: { strike: true },
  sup: { raised: 'super' },
  sub: { raised: 'sub' },
}

function spanStyle(tag: Tag): TextStyle {
  const css = attribute(tag, 'style')
  const size = Number(/font-size: (\d+)pt/.exec(css)?.[1])
  const color = /(?:^|; )color: ([^;]+)/.exec(css)?.[1]
  return { ...(size > 0 ? { size } : {}), ...(color ? { color } : {}) }
}

/** In HTML an empty paragraph is one with a break. */
const normal = (list: readonly Inline[]) => (list.length === 1 && list[0]?.kind === 'break' ? [] : list)

/** Reads what `toHtml` writes. */
class Reader {
  readonly #tokens: Token[]
  readonly #images: ReadonlyMap<string, Buffer>
  constructor(html: string, images: ReadonlyMap<string, Buffer>) {
    this.#tokens = tokensOf(html)
    this.#images = images
  }

  blocks(end?: string): Block[] {
    const blocks: Block[] = []
    for (let token = this.#tokens.shift(); token !== undefined; token = this.#tokens.shift()) {
      if (typeof token === 'string') continue
      if (token.isEnd && token.name === end) break
      if (token.name === 'div') {
        const align = /text-align: (\w+)/.exec(token.attributes)?.[1] as 'center' | undefined
        blocks.push({ kind: 'paragraph', ...(align ? { align } : {}), inlines: normal(this.inlines('div', {})) })
      } else if (token.name === 'table') blocks.push({ kind: 'table', rows: this.rows() })
    }
    return blocks
  }

  rows(): (readonly Block[])[][] {
    const rows: (readonly Block[])[][] = []
    for (let token = this.#tokens.shift(); token !== undefined; token = this.#tokens.shift()) {
      if (typeof token === 'string') continue
      if (token.isEnd && token.name === 'table') break
      if (token.name === 'tr' && !token.isEnd) rows.push([])
      if (token.name === 'td' && !token.isEnd) rows.at(-1)?.push(this.blocks('td'))
    }
    return rows
  }

  inlines(end: string, style: TextStyle): Inline[] {
    const found: Inline[] = []
    for (let token = this.#tokens.shift(); token !== undefined; token = this.#tokens.shift()) {
      if (typeof token === 'string')
        found.push({ kind: 'text', text: token, ...(Object.keys(style).length > 0 ? { style } : {}) })
      else if (token.isEnd && token.name === end) break
      else if (token.name === 'br') found.push({ kind: 'break' })
      else if (token.name === 'img')
        found.push({ kind: 'image', octets: this.#images.get(attribute(token, 'src').slice(4)) ?? Buffer.alloc(0) })
      else if (token.name === 'a')
        found.push({ kind: 'link', href: attribute(token, 'href'), inlines: this.inlines('a', {}) })
      else {
        const own = token.name === 'span' ? spanStyle(token) : STYLES[token.name]
        found.push(...this.inlines(token.name, { ...style, ...own }))
      }
    }
    return found
  }
}

const word = fc.stringMatching(/^[a-zA-Z0-9<>&"' äöü€]{0,20}[a-z]$/).map((text) => text.trimStart())
const style: fc.Arbitrary<TextStyle> = fc
  .record(
    {
      bold: fc.constant(true),
      italic: fc.constant(true),
      underline: fc.constant(true),
      strike: fc.constant(true),
      raised: fc.constantFrom('super' as const, 'sub' as const),
      size: fc.integer({ min: 4, max: 72 }),
      color: fc.constantFrom('#ff0000', 'blue'),
    },
    { requiredKeys: [] },
  )
  .filter((one) => Object.keys(one).length > 0)
const text = fc.oneof(
  word.map((value): Inline => ({ kind: 'text', text: value })),
  fc.tuple(word, style).map(([value, own]): Inline => ({ kind: 'text', text: value, style: own })),
)
const inline = fc.oneof(
  text,
  fc.constant<Inline>({ kind: 'break' }),
  fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .map((octets): Inline => ({ kind: 'image', octets: Buffer.concat([Buffer.from('GIF89a'), octets]) })),
  fc
    .tuple(fc.webUrl(), word)
    .map(([href, title]): Inline => ({ kind: 'link', href, inlines: [{ kind: 'text', text: title }] })),
  word.map((title): Inline => ({ kind: 'doclink', href: 'notes:///85256A0000000001/0', title })),
  word.map((name): Inline => ({ kind: 'file', name, shown: name })),
)
/** Between two texts stands a break, since one text is as good as two. */
const inlines = fc
  .array(inline, { maxLength: 5 })
  .map((list) => list.flatMap((one): Inline[] => (one.kind === 'text' ? [one, { kind: 'break' }] : [one])))
  .map(normal)
const paragraph: fc.Arbitrary<Block> = fc
  .tuple(fc.option(fc.constantFrom('center' as const, 'right' as const), { nil: undefined }), inlines)
  .map(([align, list]) => ({ kind: 'paragraph', ...(align ? { align } : {}), inlines: list }))
const cell = fc.array(paragraph, { minLength: 1, maxLength: 2 })
const block = fc.oneof(
  { weight: 4, arbitrary: paragraph },
  fc
    .array(fc.array(cell, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((rows): Block => ({ kind: 'table', rows })),
)

test('rich text as MIME, read back and written again, is the same message', async () => {
  const bold: Block = { kind: 'paragraph', inlines: [{ kind: 'text', text: 'never plain', style: { bold: true } }] }
  await fc.assert(
    fc.asyncProperty(fc.array(block, { maxLength: 5 }), async (blocks) => {
      const first = await mailOf({ blocks: [...blocks, bold], lost: new Map() })
      const again = await mailOf({ blocks: new Reader(first.html, first.images).blocks(), lost: new Map() })
      assert.equal(again.html, first.html)
      assert.equal(again.text, first.text)
      assert.deepEqual([...again.images], [...first.images])
      assert.deepEqual(again.lost, [])
    }),
    { numRuns: 200 },
  )
})

test('what a message cannot say is listed', async () => {
  const { lost } = await mailOf({ blocks: [], lost: new Map([['button', 2]]) })
  assert.deepEqual(lost, ['button (2 times)'])
})
