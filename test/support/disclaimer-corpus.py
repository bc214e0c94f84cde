"""Messages of many structures and charsets, as JSON: a name, the content in base64, and what is to become of it."""
import base64, json, quopri

WORDS = {
    'us-ascii': 'Hello there', 'utf-8': 'Grüße, 世界', 'iso-8859-1': 'Grüße', 'windows-1252': 'Größe – “so”',
    'shift_jis': 'こんにちは', 'iso-2022-jp': 'こんにちは', 'euc-kr': '안녕하세요', 'gb18030': '你好世界',
    'koi8-r': 'Привет', 'big5': '你好', 'utf-16': 'Grüße', 'utf-16le': 'Grüße', 'utf-7': 'Grüße',
}
PNG = base64.encodebytes(bytes(range(256)) * 3).decode()
messages = []


def encode(octets, cte):
    if cte == 'base64':
        return base64.encodebytes(octets).decode('latin1').replace('\n', '\r\n')
    if cte == 'quoted-printable':
        return quopri.encodestring(octets).decode('latin1').replace('\r\n', '\n').replace('\n', '\r\n')
    return octets.decode('latin1')


def part(type, text, charset='utf-8', cte='8bit', more=''):
    body = encode(text.replace('\n', '\r\n').encode(charset), cte)
    return f'Content-Type: {type}; charset={charset}{more}\r\nContent-Transfer-Encoding: {cte}\r\n\r\n{body}'


def multi(kind, parts, boundary, more='', preamble='', epilogue=''):
    inner = ''.join(f'--{boundary}\r\n{one}\r\n' for one in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"{more}\r\n\r\n{preamble}{inner}--{boundary}--\r\n{epilogue}'


def add(name, content, where, octets=None, header='MIME-Version: 1.0\r\n'):
    text = f'From: a@own.test\r\nTo: b@far.test\r\nSubject: x\r\n{header}{content}'
    messages.append({'name': name, 'content': base64.b64encode(text.encode('latin1')).decode(), 'where': where})


plain = part('text/plain', 'Hello\n')
html = part('text/html', '<html><body><p>Hello</p></body></html>\n')
image = f'Content-Type: image/png; name="a.png"\r\nContent-ID: <i@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n{PNG}'.replace('\n', '\r\n').replace('\r\r', '\r')
pdf = image.replace('image/png; name="a.png"', 'application/pdf').replace('Content-ID: <i@x>', 'Content-Disposition: attachment; filename="ä.pdf"'.encode('utf-8').decode('latin1'))
note = part('text/plain', 'an attachment\n', more='') .replace('\r\n\r\n', '\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\n', 1)
calendar = part('text/calendar', 'BEGIN:VCALENDAR\nEND:VCALENDAR\n', more='; method=REQUEST')
inner = 'Content-Type: message/rfc822\r\n\r\nFrom: z@z.test\r\nSubject: inner\r\n\r\nInner text\r\n'
alt = multi('alternative', [plain, html], 'alt')
related = multi('related', [html, image], 'rel')

for charset, words in WORDS.items():
    for cte in ['8bit', 'quoted-printable', 'base64']:
        if charset.startswith('utf-16') and cte != 'base64':
            continue
        if charset in ('us-ascii', 'utf-7', 'iso-2022-jp') and cte == '8bit':
            cte = '7bit'
        add(f'plain {charset} {cte}', part('text/plain', f'{words}\n', charset, cte), 'text')
    cte = 'base64'
    add(f'html {charset}', part('text/html', f'<html><body>{words}</body></html>\n', charset, cte), 'text')

for name, content in {
    'plain': plain, 'html': html, 'alternative': alt, 'related': related,
    'mixed': multi('mixed', [plain, pdf], 'mix'),
    'mixed of alternative': multi('mixed', [alt, pdf], 'mix'),
    'alternative of related': multi('alternative', [plain, related], 'alt'),
    'mixed of alternative of related': multi('mixed', [multi('alternative', [plain, related], 'alt'), pdf, image], 'mix'),
    'related of alternative': multi('related', [alt, image], 'rel'),
    'related with start': multi('related', [image, html.replace('\r\n\r\n', '\r\nContent-ID: <s@x>\r\n\r\n', 1)], 'rel', '; start="<s@x>"'),
    'mixed in mixed': multi('mixed', [multi('mixed', [plain, image], 'in'), pdf], 'mix'),
    'text, image, text': multi('mixed', [plain, image, part('text/plain', 'More\n')], 'mix'),
    'text and attached text': multi('mixed', [plain, note], 'mix'),
    'attached message': multi('mixed', [plain, inner], 'mix'),
    'calendar': multi('alternative', [plain, html, calendar], 'alt'),
    'preamble and epilogue': multi('mixed', [plain, pdf], 'mix', '', 'This is MIME.\r\n', 'Epilogue\r\n'),
    'boundaries that begin alike': multi('mixed', [multi('alternative', [plain, html], 'b-1'), pdf], 'b'),
    'no last boundary': multi('mixed', [plain, pdf], 'mix').rsplit('--mix--', 1)[0],
    'flowed': part('text/plain', 'A long \nline of text. \n', more='; format=flowed'),
    'flowed delsp': part('text/plain', 'A long  \nline. \n', more='; format=flowed; delsp=yes'),
    'no line break at the end': part('text/plain', 'Hello'),
    'empty body': part('text/plain', ''),
    'html without body': part('text/html', '<p>Hello\n'),
    'html with comments': part('text/html', '<!-- </body> --><body>Hello<script>"</body>"</script></body>\n'),
    'html without any tag': part('text/html', 'Hello\n'),
    'quoted reply': part('text/plain', 'Yes.\n\nOn Monday, Ann wrote:\n> Really?\n'),
    'dashes and dots': part('text/plain', '--mix\n.\n..\nFrom here\n'),
    'digest beside text': multi('mixed', [plain, multi('digest', ['\r\nFrom: q@q.test\r\nSubject: d\r\n\r\nD\r\n'], 'dig')], 'mix'),
}.items():
    add(name, content, 'text')
add('no MIME', '\r\nHello\r\n', 'text', header='')
add('no MIME, empty', '\r\n', 'text', header='')
add('only an image', image, 'part')
add('only attachments', multi('mixed', [pdf, image], 'mix'), 'part')
add('unknown charset', part('text/plain', 'Hello\n').replace('utf-8', 'x-none'), 'part')
add('wrong base64', part('text/plain', 'Hello\n', cte='base64').replace('SGVs', 'S*Vs'), 'part')
add('signed', multi('signed', [plain, 'Content-Type: application/pkcs7-signature\r\n\r\nx'], 'sig', '; protocol="application/pkcs7-signature"; micalg=sha-256'), 'none')
add('PGP/MIME', multi('encrypted', ['Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1', 'Content-Type: application/octet-stream\r\n\r\nx'], 'enc'), 'none')
add('S/MIME', 'Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\nTUlJ\r\n', 'none')
add('signed within mixed', multi('mixed', [multi('signed', [plain, 'Content-Type: application/pgp-signature\r\n\r\nx'], 'sig'), pdf], 'mix'), 'none')
add('inline PGP', part('text/plain', '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHi\n-----BEGIN PGP SIGNATURE-----\n'), 'none')
add('inline PGP in base64', part('text/plain', '-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----\n', cte='base64'), 'none')
add('report', multi('report', [plain, 'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n'], 'rep', '; report-type=delivery-status'), 'none')
print(json.dumps(messages))
