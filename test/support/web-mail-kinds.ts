/**
 * Small messages made after those of real programs: Outlook, Apple Mail, newsletters, forwarded chains, East Asian
 * charsets, right-to-left text, and broken MIME. `shows` is text that a reader must see.
 */
import type { CorpusMail } from './web-mail-corpus.ts'

export interface Kind extends CorpusMail {
  readonly shows: readonly string[]
  /** An expression about the document `inside` of the message's frame, or the page, that is true. */
  readonly holds: string
}

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

interface Made {
  readonly subject: string
  readonly shows: readonly string[]
  readonly holds?: string
  /** Header fields and the body, octets as Latin-1. */
  readonly rest: string
}

const latin = (text: string) => Buffer.from(text).toString('latin1')
const html = (body: string, charset = 'utf-8') => `Content-Type: text/html; charset=${charset}\r\n\r\n${latin(body)}`
const plain = (body: string, type = 'text/plain; charset=utf-8') => `Content-Type: ${type}\r\n\r\n${latin(body)}`
const multi = (kind: string, ...parts: readonly string[]) =>
  `Content-Type: multipart/${kind}; boundary="=_${kind}"\r\n\r\n${parts.map((part) => `--=_${kind}\r\n${part}\r\n`).join('')}--=_${kind}--\r\n`
const image = (header: string) =>
  `Content-Type: image/png; name="photo.png"\r\nContent-Transfer-Encoding: base64\r\n${header}\r\n${PIXEL}`
const octets = (charset: string, hex: string) =>
  `Content-Type: text/plain; charset=${charset}\r\n\r\n${Buffer.from(hex, 'hex').toString('latin1')}`
const row = (cells: number, text: string) =>
  `<table width="640" cellpadding="0"><tr>${`<td width="${Math.round(640 / cells)}"><img src="https://shop.example/a.png" width="${Math.round(640 / cells)}" height="90" alt="Offer"><p>${text}</p></td>`.repeat(cells)}</tr></table>`

const MADE: readonly Made[] = [
  {
    subject: 'Newsletter of fixed width',
    shows: ['Autumn offers', 'the last word'],
    rest: html(
      `<body bgcolor="#eeeeee" style="height:100%!important;width:100%!important;margin:0"><center><table width="640" bgcolor="#ffffff"><tr><td><h1>Autumn offers</h1>${row(3, 'A chair')}${row(2, 'A table')}</td></tr></table></center><p>the last word</p></body>`,
    ),
  },
  {
    subject: 'Newsletter with a minimum width',
    shows: ['Week 48', 'Read it in the browser'],
    rest: html(
      `<style>@media (prefers-color-scheme:dark){.x{color:#fff}} .wrap{min-width:700px}</style><div class="wrap"><table style="width:700px;background:#0b2a6b;color:#fff"><tr><td style="white-space:nowrap;width:700px">Week 48 ${'word '.repeat(20)}</td></tr></table><a href="https://news.example/">Read it in the browser</a></div>`,
    ),
  },
  {
    subject: 'Body as high as the window',
    shows: ['It ends here'],
    rest: html(
      '<html style="height:100%"><body style="height:100%!important;min-height:100vh;margin:0"><table height="100%" width="100%" style="height:100%"><tr><td>Start</td></tr></table><p style="margin-bottom:40px">It ends here</p></body></html>',
    ),
  },
  {
    subject: 'Outlook by Word',
    shows: ['Dear Ann', 'Projektübersicht'],
    rest: html(
      '<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word"><head><!--[if !mso]><style>v\\:* {behavior:url(#default#VML);}</style><![endif]--><style><!-- p.MsoNormal{margin:0cm;font-size:11.0pt;font-family:"Calibri",sans-serif;} --></style></head><body lang="DE" link="#0563C1"><div class="WordSection1"><p class="MsoNormal">Dear Ann,<o:p></o:p></p><p class="MsoNormal"><o:p>&nbsp;</o:p></p><p class="MsoNormal"><span style="color:#1F497D">Projektübersicht</span></p></div></body></html>',
    ),
  },
  {
    subject: 'Apple Mail with a photo between texts',
    shows: ['Before the photo', 'After the photo'],
    rest: multi(
      'mixed',
      plain('Before the photo\r\n'),
      image('Content-Disposition: inline; filename="photo.png"\r\n'),
      plain('After the photo\r\n'),
    ),
  },
  {
    subject: 'A photo alone',
    shows: [],
    rest: image('Content-Disposition: inline; filename="photo.png"\r\n'),
  },
  {
    subject: 'HTML with a footer of a list',
    shows: ['The letter itself', 'To leave the list'],
    rest: multi(
      'mixed',
      html('<p>The letter <b>itself</b></p>'),
      plain('_______\r\nTo leave the list: <https://list.example/>\r\n'),
    ),
  },
  {
    subject: 'An image of the text',
    shows: ['See the sketch'],
    rest: multi(
      'related',
      html('<p>See the sketch</p><img src="cid:s@1">'),
      image('Content-ID: <s@1>\r\nContent-Disposition: inline\r\n'),
    ),
  },
  {
    subject: 'Fwd: Fwd: a long chain',
    shows: ['innermost'],
    rest: html(
      `<p>For you</p>${'<blockquote style="margin:0 0 0 40px;border:none;padding:0">'.repeat(12)}<p>innermost ${'x'.repeat(200)}</p>`,
    ),
  },
  {
    subject: 'Japanese, ISO-2022-JP',
    shows: ['報告書'],
    rest: octets('iso-2022-jp', '1b24424a733970 3d71 1b2842'.replaceAll(' ', '')),
  },
  { subject: 'Chinese, GB2312', shows: ['你好'], rest: octets('gb2312', 'c4e3bac3') },
  { subject: 'Chinese, Big5', shows: ['你好'], rest: octets('big5', 'a741a66e') },
  { subject: 'Korean, EUC-KR', shows: ['안녕'], rest: octets('ks_c_5601-1987', 'bec8b3e7') },
  { subject: 'Japanese, Shift_JIS', shows: ['日本'], rest: octets('shift_jis', '93fa967b') },
  { subject: 'Russian, KOI8-R', shows: ['Привет'], rest: octets('koi8-r', 'f0d2c9d7c5d4') },
  {
    subject: 'Charset that the HTML states',
    shows: ['Grüße'],
    rest: `Content-Type: text/html\r\n\r\n<meta charset="iso-8859-1"><p>Gr\xfc\xdfe</p>`,
  },
  {
    subject: 'Windows characters as ISO-8859-1',
    shows: ['“quoted” – 5 €'],
    rest: 'Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\x93quoted\x94 \x96 5 \x80',
  },
  {
    subject: 'Hebrew from right to left',
    shows: ['שלום'],
    rest: html(
      '<div dir="rtl"><p>שלום, מה שלומך?</p><table width="620" dir="rtl"><tr><td>שלום</td><td width="500">חדש</td></tr></table></div>',
    ),
  },
  {
    subject: 'Arabic in plain text',
    shows: ['مرحبا'],
    rest: plain('مرحبا بالعالم، كيف الحال؟\r\nSecond line in English\r\n'),
  },
  {
    subject: 'Dark text of its own',
    shows: ['Readable'],
    rest: html('<p><font color="#222222">Readable</font> in the dark</p>'),
  },
  {
    subject: 'No end of the multipart',
    shows: ['still here'],
    rest: `Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nstill here`,
  },
  {
    subject: 'No boundary',
    shows: ['text without a boundary'],
    rest: 'Content-Type: multipart/mixed\r\n\r\ntext without a boundary\r\n',
  },
  {
    subject: 'Broken base64',
    shows: ['Hello'],
    rest: 'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVs\r\n!!bG8=\r\n',
  },
  {
    subject: 'Unknown charset and encoding',
    shows: ['plain words'],
    rest: 'Content-Type: text/plain; charset=x-unknown\r\nContent-Transfer-Encoding: x-none\r\n\r\nplain words\r\n',
  },
  { subject: 'One line without end', shows: ['start'], rest: plain(`start ${'abcdefghij'.repeat(300)}`) },
  {
    subject: 'Preformatted and wide',
    shows: ['column'],
    rest: html(
      `<pre>${'column '.repeat(60)}</pre><img src="https://x.example/w.png" width="1800" height="20" alt="wide">`,
    ),
  },
  {
    subject: 'Spacers that keep columns apart',
    shows: ['The story'],
    holds: "inside.querySelector('td').offsetWidth < 5 && inside.images[1].offsetHeight < 5",
    rest: html(
      '<table width="500" cellpadding="0" cellspacing="0"><tr><td width="1" bgcolor="#000000"><img src="https://x.example/b.gif" width="1" height="50"></td><td width="499" id="s">The story</td></tr><tr><td colspan="2"><table width="500"><tr><td><img src="https://x.example/c.gif" width="490" height="2"></td></tr></table></td></tr></table>',
    ),
  },
  {
    subject: 'Colours of an old body',
    shows: ['White on blue'],
    holds:
      "getComputedStyle(inside.querySelector('p')).color === 'rgb(255, 255, 255)' && getComputedStyle(inside.querySelector('a')).color === 'rgb(255, 255, 0)'",
    rest: html(
      '<body bgcolor="#203060" text="#ffffff" link="yellow"><p>White on blue</p><a href="https://x.example/">link</a></body>',
    ),
  },
  {
    subject: 'Clear-signed',
    shows: ['Signed by hand'],
    holds: "document.querySelector('.fact').textContent.includes('Signed with OpenPGP')",
    rest: plain(
      '-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nSigned by hand\r\n-----BEGIN PGP SIGNATURE-----\r\n',
    ),
  },
  {
    subject: 'HTML that is empty beside a text in UTF-16',
    shows: ['Quote me'],
    rest: multi(
      'alternative',
      'Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n//5RAHUAbwB0AGUAIABtAGUA',
      'Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n//4=',
    ),
  },
  {
    subject: 'Absolute positions',
    shows: ['in flow'],
    rest: html('<p>in flow</p><div style="position:absolute;left:1500px;top:10px;width:300px">far</div>'),
  },
]

/** With a header, the newest first. */
export const kinds = (): Kind[] =>
  MADE.map(({ subject, shows, rest, holds = 'true' }, index) => ({
    name: subject,
    shows,
    holds,
    age: index + 1,
    text: Buffer.from(
      `From: Carol <carol@example.org>\r\nTo: ann@here.test\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\n${rest}`,
      'latin1',
    ),
  }))
