/** Messages rewritten part by part: what is not meant stays, what is meant comes out right for other parsers too. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { type MimePart, type PartEditor, type RewriteOptions, readStructure, rewriteMime } from 'iems/mime'
import { fc } from '../support/property.ts'

const crlf = (text: string) => text.replace(/\r?\n/g, '\r\n')

function messageOf(content: string | Buffer) {
  const octets = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  return {
    size: octets.length,
    async *open(range?: { start: number; end: number }) {
      const piece = octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
      // Pieces of odd sizes: nothing may depend on where they are cut.
      for (let at = 0; at < piece.length; at += 1021) yield piece.subarray(at, at + 1021)
    },
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(chunks)).toString('latin1')
}

/** The new content in latin1; undefined when the message stays as it is. */
async function rewritten(content: string | Buffer, edit: PartEditor, options?: RewriteOptions) {
  const { content: open, problem } = await rewriteMime(messageOf(content), edit, options)
  return { text: open && (await textOf(open())), problem }
}

interface PythonPart {
  readonly type: string
  readonly name: string | null
  readonly text: string | null
  readonly defects: readonly string[]
}

/** What Python's parser finds in messages: leaves in order. */
function python(messages: readonly string[]): readonly (readonly PythonPart[])[] {
  const script = `
import base64, email, email.policy, json, sys
answers = []
for one in json.load(sys.stdin):
    message = email.message_from_bytes(base64.b64decode(one), policy=email.policy.default)
    answers.append([{
        'type': part.get_content_type(),
        'name': part.get_filename(),
        'text': part.get_payload(decode=True).decode(part.get_content_charset('utf-8'), 'replace') if part.get_content_maintype() == 'text' else None,
        'defects': [type(defect).__name__ for defect in part.defects],
    } for part in message.walk() if not part.is_multipart()])
print(json.dumps(answers))`
  const input = JSON.stringify(messages.map((one) => Buffer.from(one, 'latin1').toString('base64')))
  const { stdout, stderr, status } = spawnSync('python3', ['-c', script], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}
const hasPython = spawnSync('python3', ['-c', 'import email.policy']).status === 0

const MIXED = crlf(`From: ann@example.org
Subject: two
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

gr=FC=DFe
--b   
Content-Type: application/octet-stream; name="tool.exe"
Content-Transfer-Encoding: base64

TVqQAAMAAAA=
--b
Content-Type: text/html

<p>hello</p>
--b--
epilogue
`)

const append =
  (more: string): PartEditor =>
  ({ part }) =>
    part.type === 'text'
      ? {
          async *text(text) {
            yield* text
            yield more
          },
        }
      : undefined

test('a message of which nothing changes is not written', async () => {
  assert.deepEqual(await rewritten(MIXED, () => undefined), { text: undefined, problem: undefined })
  assert.deepEqual(await rewritten(MIXED, () => ({})), { text: undefined, problem: undefined })
})

test('leaves are asked about in order, with names, sizes, places and decoded octets', async () => {
  const seen: unknown[] = []
  await rewritten(MIXED, async ({ part, path, name, size, within, open }) => {
    seen.push([part.subtype, path, name, size, within.length, await textOf(open() as AsyncIterable<Uint8Array>)])
    return undefined
  })
  assert.deepEqual(seen, [
    ['plain', [1], undefined, 9, 1, 'gr\xfc\xdfe'],
    ['octet-stream', [2], 'tool.exe', 12, 1, 'MZ\x90\0\x03\0\0\0'],
    ['html', [3], undefined, 12, 1, '<p>hello</p>'],
  ])
})

test('a filter chooses by type, disposition, name and size; containers only when they are asked for', async () => {
  const chosen = async (filter: RewriteOptions['filter']) => {
    const found: string[] = []
    await rewritten(
      MIXED,
      ({ path }) => {
        found.push(path.join('.'))
        return undefined
      },
      filter ? { filter } : {},
    )
    return found
  }
  assert.deepEqual(await chosen({ type: 'text/*' }), ['1', '3'])
  assert.deepEqual(await chosen({ type: 'text/html' }), ['3'])
  assert.deepEqual(await chosen({ name: (name) => name.endsWith('.exe') }), ['2'])
  assert.deepEqual(await chosen({ minSize: 12, maxSize: 12 }), ['2', '3'])
  assert.deepEqual(await chosen({ disposition: 'attachment' }), [])
  assert.deepEqual(await chosen({ type: 'multipart/*', containers: true }), [''])
})

test('a part is removed with one delimiter, and every other octet stays', async () => {
  const { text } = await rewritten(MIXED, ({ name }) => (name === 'tool.exe' ? { remove: true } : undefined))
  const [before, after] = MIXED.split(/--b {3}\r\n[\s\S]*?AAA=\r\n/)
  assert.equal(text, `${before}${after}`.replace('gr=FC=DFe\r\n--b\r\n', 'gr=FC=DFe\r\n--b\r\n'))
})

test('the last parts are removed before the closing delimiter, and of all parts an empty one is left', async () => {
  const last = await rewritten(MIXED, ({ path }) => (path[0] === 1 ? undefined : { remove: true }))
  assert.equal(last.text, `${MIXED.slice(0, MIXED.indexOf('\r\n--b   '))}\r\n--b--\r\nepilogue\r\n`)
  const { text = '' } = await rewritten(MIXED, () => ({ remove: true }))
  const root = await readStructure(messageOf(text).open, text.length)
  assert.deepEqual(
    root.parts?.map(({ type, subtype, body, end }) => [type, subtype, end - body]),
    [['text', 'plain', 0]],
  )
  assert.ok(text.endsWith('\r\n--b--\r\nepilogue\r\n'))
})

test('text keeps its charset and encoding where they hold it', async () => {
  const { text } = await rewritten(MIXED, append(' ö'))
  assert.equal(
    text,
    MIXED.replace('gr=FC=DFe', 'gr=FC=DFe =F6').replace(
      'Content-Type: text/html\r\n\r\n<p>hello</p>',
      'Content-Type: text/html;\r\n charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>hello</p> =C3=B6',
    ),
  )
})

test('text that its charset cannot hold is written in UTF-8, with the other parameters kept', async () => {
  const { text = '' } = await rewritten(
    `${crlf('MIME-Version: 1.0\nContent-Type: text/plain; charset=koi8-r; format=flowed\nX: y\n\n')}\xd0\xd2\xc9`,
    append(' ü €'),
  )
  assert.equal(
    Buffer.from(text, 'latin1').toString(),
    `${crlf(
      'MIME-Version: 1.0\nContent-Type: text/plain;\n format=flowed;\n charset=utf-8\nX: y\nContent-Transfer-Encoding: base64\n\n',
    )}${Buffer.from('при ü €').toString('base64')}\r\n`,
  )
})

for (const [charset, before, more] of [
  ['windows-1252', '\x80 \xfc', ' ß'],
  ['shift_jis', '\x93\xfa\x96\x7b', 'です'],
  ['euc-kr', '\xb0\xa1', '나다'],
  ['gb18030', '\xc4\xe3', '好 😀'],
  ['big5', '\xa7\x41', '好'],
  ['koi8-r', '\xd0', 'ривет'],
] as const) {
  test(`text in ${charset} gets more of it in its own octets`, async () => {
    const { text = '' } = await rewritten(
      crlf(`MIME-Version: 1.0\nContent-Type: text/plain; charset=${charset}\nContent-Transfer-Encoding: 8bit\n\n`) +
        before,
      append(more),
    )
    const decoder = new TextDecoder(charset)
    const body = text.slice(text.indexOf('\r\n\r\n') + 4)
    assert.ok(body.startsWith(before) && /charset=\S+\r\nContent-Transfer-Encoding: 8bit\r\n\r\n/.test(text))
    assert.equal(decoder.decode(Buffer.from(body, 'latin1')), decoder.decode(Buffer.from(before, 'latin1')) + more)
  })
}

test('parts beside a message that is no multipart make it one; its own fields stay where they are', async () => {
  const { text = '' } = await rewritten(
    crlf('Received: here\nContent-Type: text/plain; charset=utf-8\nSubject: x\nContent-Language: de\n\nbody\n'),
    () => ({
      before: [{ type: 'text/plain', content: 'Grüße' }],
      after: [
        {
          type: 'application/pdf',
          name: 'Bücher "1".pdf',
          disposition: 'attachment',
          id: 'a@b',
          content: Buffer.from('x'),
        },
      ],
    }),
  )
  const [boundary = ''] = /=_[\w-]{24}/.exec(text) ?? []
  assert.equal(
    text.replaceAll(boundary, 'B'),
    crlf(`Received: here
Subject: x
MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="B"

--B
Content-Type: text/plain;
 charset=utf-8
Content-Transfer-Encoding: base64

R3LDvMOfZQ==

--B
Content-Type: text/plain; charset=utf-8
Content-Language: de

body

--B
Content-Type: application/pdf;
 name*=utf-8''B%C3%BCcher%20%221%22.pdf
Content-Disposition: attachment;
 filename*=utf-8''B%C3%BCcher%20%221%22.pdf
Content-ID: <a@b>
Content-Transfer-Encoding: base64

eA==

--B--
`),
  )
})

test('a message within a message is rewritten like any other, and the one around it stays', async () => {
  const outer = crlf('Subject: out\nContent-Type: message/rfc822\n\nSubject: in\n\n')
  const { text } = await rewritten(`${outer}inner`, append(' more'))
  assert.equal(text, `${outer}inner more`)
})

test('encoded text can never end the enclosing multipart', async () => {
  const trap = crlf(`MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Transfer-Encoding: quoted-printable

=2D-b--
--b
Content-Transfer-Encoding: base64

LS1iDQoNCng=
--b

plain
--b--
`)
  for (const more of ['', '\n--b--\nx', '\r\n--b', `${'x'.repeat(75)}--b--`]) {
    const { text = '' } = await rewritten(trap, append(more))
    const root = await readStructure(messageOf(text).open, text.length)
    assert.equal(root.parts?.length, 3, text)
    const seen: string[] = []
    await rewritten(text, async ({ open }) => {
      seen.push(await textOf(open() as AsyncIterable<Uint8Array>))
      return undefined
    })
    const lines = more.replace(/\r?\n/g, '\r\n')
    assert.deepEqual(seen, [`--b--${lines}`, `--b\r\n\r\nx${lines}`, `plain${lines}`])
  }
})

for (const [what, content, problem] of [
  ['a multipart without a boundary', 'Content-Type: multipart/mixed\n\ntext\n', 'no-boundary'],
  ['a boundary that never comes', 'Content-Type: multipart/mixed; boundary=b\n\ntext\n', 'no-boundary'],
  ['an unknown transfer encoding', 'Content-Transfer-Encoding: x-secret\n\ntext\n', 'unknown-encoding'],
  ['base64 with a footer behind it', 'Content-Transfer-Encoding: base64\n\nAAAA==\n-- \nlist!\n', 'broken-encoding'],
  ['broken quoted-printable', 'Content-Transfer-Encoding: quoted-printable\n\na =ZZ b\n', 'broken-encoding'],
  ['an unknown charset', 'Content-Type: text/plain; charset=klingon\n\ntext\n', 'unknown-charset'],
  ['text that is not in its charset', 'Content-Type: text/plain; charset=utf-8\n\n\xff\xfe\n', 'broken-text'],
  ['two types', 'Content-Type: text/plain\nContent-Type: text/html\n\ntext\n', 'ambiguous-header'],
  ['an endless header', `Content-Type: text/plain\nX: ${'x'.repeat(300_000)}\n\ntext\n`, 'header-too-long'],
  ['too many parts', `Content-Type: multipart/mixed; boundary=b\n\n${'--b\n\n'.repeat(1000)}`, 'too-many-parts'],
  [
    'too many levels',
    Array.from(
      { length: 60 },
      (_, level) => `Content-Type: multipart/mixed; boundary=b${level}x\n\n--b${level}x\n`,
    ).join(''),
    'too-deep',
  ],
] as const) {
  test(`a message that cannot be understood stays as it is, with the reason: ${what}`, async () => {
    const found = await rewritten(crlf(content), append('more'))
    assert.deepEqual([found.text, found.problem?.what], [undefined, problem])
  })
}

test('one part that cannot be written leaves the whole message as it is', async () => {
  const found = await rewritten(MIXED.replace('=FC', '=XX'), append('more'))
  assert.deepEqual(found, { text: undefined, problem: { path: [1], what: 'broken-encoding' } })
})

test('names and fields of new parts do not break out of their field', async () => {
  const name = 'a\r\nBcc: eve@example.org\r\n\r\n"\\'.repeat(5)
  const { text = '' } = await rewritten('\r\nbody', () => ({
    after: [{ type: 'text/plain', name, description: name, content: 'x' }],
  }))
  assert.doesNotMatch(text, /^(?:Bcc:|.{79})/m)
  if (hasPython) assert.equal(python([text])[0]?.[1]?.name, name)
  await assert.rejects(
    rewritten('\r\nbody', () => ({ after: [{ type: 'text/plain\r\nX: y', content: '' }] })),
    TypeError,
  )
})

// --- random structures -----------------------------------------------------------------------

interface Tree {
  readonly leaf?: string
  readonly parts?: readonly Tree[]
  readonly isClosed: boolean
  readonly isMessage: boolean
}

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({
      leaf: fc.oneof(
        fc.stringMatching(/^[ -~\r\n]{0,60}$/).filter((text) => !text.includes('--')),
        fc.constantFrom('', 'x', 'line\r\n', '\r\n', '\r\nSubject: y\r\n\r\n'),
      ),
      isClosed: fc.constant(true),
      isMessage: fc.constant(false),
    }),
    fc.record({
      parts: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
      isClosed: fc.boolean(),
      isMessage: fc.boolean(),
    }),
  ),
}))

function written({ leaf, parts = [], isClosed, isMessage }: Tree, name: string): string {
  if (leaf !== undefined) return `Content-Type: text/plain; name=${name}\r\n\r\n${leaf}`
  const inner = parts.map((part, index) => `--${name}_\r\n${written(part, `${name}.${index}`)}\r\n`).join('')
  const text = `Content-Type: multipart/mixed; boundary="${name}_"\r\n\r\npre\r\n${inner}${isClosed ? `--${name}_--\r\npost` : ''}`
  return isMessage ? `Content-Type: message/rfc822\r\n\r\nSubject: ${name}\r\n${text}` : text
}

const leavesOf = (part: MimePart): MimePart[] => (part.parts ? part.parts.flatMap(leavesOf) : [part])

async function leafTexts(content: string): Promise<string[]> {
  const root = await readStructure(messageOf(content).open, content.length)
  return leavesOf(root).map(({ header, end }) => content.slice(header, end))
}

test('in any structure the leaves that stay keep every octet, and those that change stand in their places', async () => {
  const compared: string[] = []
  await fc.assert(
    fc.asyncProperty(tree, fc.infiniteStream(fc.integer({ min: 0, max: 4 })), async (shape, choices) => {
      const content = `From: a@example.org\r\nMIME-Version: 1.0\r\n${written(shape, 'n')}`
      const before = await leafTexts(content)
      let at = 0
      const expected: (string | RegExp)[] = []
      const made = /^Content-Type: text\/plain;\r\n charset=utf-8\r\n[\s\S]*new\d*$/
      const part = { type: 'text/plain', content: 'new' }
      const { text, problem } = await rewritten(content, ({ path }) => {
        const whole = before[at++] as string
        const choice = path.length === 0 ? 0 : (choices.next().value as number)
        if (choice === 0) expected.push(whole)
        if (choice === 1) return { remove: true }
        if (choice === 2) expected.push(made)
        if (choice === 3) expected.push(made, whole)
        if (choice === 4) expected.push(whole, made)
        return [undefined, undefined, { replace: part }, { before: [part] }, { after: [part] }][choice]
      })
      assert.equal(problem, undefined)
      // Where nothing would be left, an empty part stands.
      const after = (await leafTexts(text ?? content)).filter(
        (one) => !/^Content-Type: text\/plain;\r\n charset=utf-8\r\n.*\r\n\r\n$/.test(one),
      )
      const isIn = after.map((one, index) => {
        const wanted = expected[index]
        // Beside a message within a message the fields of its body move with it.
        return wanted instanceof RegExp
          ? wanted.test(one)
          : wanted !== undefined && (one === wanted || wanted.endsWith(one))
      })
      assert.ok(
        after.length === expected.length && isIn.every(Boolean),
        JSON.stringify({ content, text, after, expected }, null, 1),
      )
      if (text && compared.length < 100) compared.push(text)
    }),
    { numRuns: 300 },
  )
  if (!hasPython) return
  const found = python(compared)
  for (const [index, content] of compared.entries()) {
    const ours = await leafTexts(content)
    assert.equal(found[index]?.length, ours.length, content)
  }
})

test('a large message is rewritten as it is read, with no more than a few chunks held', async () => {
  const head = Buffer.from(
    crlf(
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\n',
    ),
  )
  const line = Buffer.from(`${'QUJD'.repeat(19)}\r\n`.repeat(800))
  const tail = Buffer.from('--b--\r\n')
  const size = head.length + 500 * line.length + tail.length
  /** Octets that were asked for in advance of what the reader took. */
  let given = 0
  const message = {
    size,
    async *open({ start, end } = { start: 0, end: size }) {
      let offset = 0
      for (const piece of [head, ...Array.from({ length: 500 }, () => line), tail]) {
        const part = piece.subarray(Math.max(0, start - offset), Math.max(0, end - offset))
        offset += piece.length
        given += part.length
        if (part.length > 0) yield part
      }
    },
  }
  const { content } = await rewriteMime(message, ({ part }) =>
    part.type === 'application' ? { octets: (octets) => octets } : append(' there')({ part } as never),
  )
  given = 0
  let taken = 0
  let most = 0
  for await (const chunk of content?.() ?? []) {
    taken += chunk.byteLength
    most = Math.max(most, given - taken)
  }
  assert.ok(taken > 30_000_000)
  assert.ok(most < 4 * line.length, `${most} octets were held`)
})
