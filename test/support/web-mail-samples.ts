/**
 * Mail for the looks of the web mail: conversations, attachments, HTML, unread and starred ones.
 */
export interface Sample {
  readonly text: string | Buffer<ArrayBuffer>
  /** Hours ago. */
  readonly age: number
  readonly keywords?: Readonly<Record<string, true>>
}

interface Fields {
  readonly id: string
  readonly from?: string
  readonly to?: string
  readonly subject: string
  readonly answers?: string
  readonly body: string
  readonly html?: string
  readonly file?: string
}

const BOB = 'Bob Lindqvist <bob@here.test>'
const ANN = 'Ann Ekström <ann@here.test>'

function messageOf({ id, from = BOB, to = ANN, subject, answers, body, html, file }: Fields): string {
  const head = [
    `From: ${from}`,
    `To: ${to}`,
    `Subject: ${subject}`,
    `Message-ID: <${id}@here.test>`,
    ...(answers ? [`In-Reply-To: <${answers}@here.test>`, `References: <${answers}@here.test>`] : []),
    'MIME-Version: 1.0',
  ]
  const text = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}\r\n`
  const parts = [
    text,
    ...(html ? [`Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${html}\r\n`] : []),
  ]
  const inner =
    parts.length === 1
      ? text
      : `Content-Type: multipart/alternative; boundary=alt\r\n\r\n${parts.map((part) => `--alt\r\n${part}`).join('')}--alt--\r\n`
  if (!file) return `${head.join('\r\n')}\r\n${inner}`
  const attached = `Content-Type: application/pdf; name="${file}"\r\nContent-Disposition: attachment; filename="${file}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.alloc(2000, 'contract ').toString('base64')}\r\n`
  return `${head.join('\r\n')}\r\nContent-Type: multipart/mixed; boundary=mix\r\n\r\n--mix\r\n${inner}--mix\r\n${attached}--mix--\r\n`
}

const NEWSLETTER = `<html><body bgcolor="#f0f4f8"><table width="560" align="center" bgcolor="#ffffff" cellpadding="24"><tr><td>
<img src="https://shop.example.org/logo.png" width="120" height="40" alt="Garden Shop"><h1 style="color:#2a6b3d">40 % off garden furniture</h1>
<p>Only this week. <a href="https://shop.example.org/sale">See all offers</a></p><img src="https://shop.example.org/pixel.gif" width="1" height="1"></td></tr></table></body></html>`

/** Oldest last. */
export function samples(): Sample[] {
  const seen = { $seen: true } as const
  const others: readonly (readonly [from: string, subject: string, body: string])[] = [
    [
      'Nightly report <report@example.org>',
      'Backup finished: 3 of 3 verified',
      'All sets verified. Largest: mail, 214 GB in 41 minutes.',
    ],
    ['Print Shop Example <shop@print.example>', 'Your posters are ready', 'You can collect order 20 418 from Monday.'],
    [
      'Ingrid Aas <ingrid@pier.example>',
      'Re: Measuring points on the east pier',
      'I compared both series and think that sensor 4 drifts.',
    ],
    ['Marta Kowalczyk <marta@example.org>', 'Lunch?', 'We are four, table at half past twelve.'],
    [
      'Library of Example <library@example.org>',
      'Two books are due on 2 December',
      '“A Pattern Language” and one other.',
    ],
    ['Elias Brandt <elias@example.org>', 'Photos from the site', 'Thirty pictures, the best ones first.'],
    ['Accounting <accounting@example.org>', 'Travel costs October', 'Paid with the November salary.'],
    [
      'Yuki Tanabe <yuki@example.jp>',
      'Translation of the summary',
      'Here is the Japanese version, with two questions.',
    ],
    [
      '=?utf-8?B?VG9tw6FzIEhlcnJlcmE=?= <tomas@example.org>',
      'Visit on Thursday',
      'Then we meet at the north gate, and I bring the plan.',
    ],
    [
      'Harbour Authority <berths@harbour.example>',
      'Berth 14: closure moved to 9 December',
      'Dear partners, because of the weather the closure moves.',
    ],
  ]
  return [
    {
      age: 0.2,
      text: messageOf({
        id: 'c3',
        answers: 'c1',
        subject: 'Re: Contract for the harbour bridge',
        file: 'contract-v4-marked.pdf',
        body: 'Fine with me, only clause 7 needs the date from the harbour authority: they moved the closure of berth 14 to 9 December, so “on 1 December” would cost us the first week.\r\n\r\nMy proposal is in the attached version, marked. See https://here.test/contracts/7.\r\n\r\nBob\r\n\r\n> Both answered in the margin.\r\n> Is clause 7 still open from your side?\r\n> \r\n> Ann',
      }),
    },
    {
      age: 1,
      text: messageOf({
        id: 'm1',
        from: 'Carol Nwosu <carol@example.org>',
        subject: 'Minutes of Tuesday',
        body: 'Attached, please correct until Friday. The floor plan comes on Monday.',
        file: 'minutes.pdf',
      }),
    },
    {
      age: 2,
      text: messageOf({
        id: 'n1',
        from: 'Garden Shop <news@shop.example.org>',
        subject: '40 % off garden furniture',
        body: 'Only this week',
        html: NEWSLETTER,
      }),
      keywords: seen,
    },
    {
      age: 3,
      text: messageOf({
        id: 'c2',
        from: ANN,
        to: BOB,
        answers: 'c1',
        subject: 'Re: Contract for the harbour bridge',
        body: 'Both answered in the margin. Is clause 7 still open from your side?',
      }),
      keywords: seen,
    },
    {
      age: 20,
      text: messageOf({
        id: 'c1',
        subject: 'Contract for the harbour bridge',
        body: 'Here is the draft. Clause 3 is new, everything else as we said.',
      }),
      keywords: seen,
    },
    ...others.map(
      ([from, subject, body], index): Sample => ({
        age: 22 + index * 9,
        text: messageOf({ id: `o${index}`, from, subject, body }),
        ...(index % 4 === 2 ? {} : { keywords: index === 8 ? { $seen: true, $flagged: true } : seen }),
      }),
    ),
  ]
}
