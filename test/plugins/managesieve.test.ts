/** ManageSieve as clients meet it: the dialogues of RFC 5804, hostile input, and Debian's sieve-connect. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectLineClient, playTranscript } from '../../core/testing/index.ts'
import { missing } from '../../core/testing/program.ts'
import { managesieve } from '../../plugins/access/managesieve/index.ts'
import { readWords, writeString } from '../../plugins/access/managesieve/words.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { createMailKernel } from '../support/mailstore.ts'
import { tempFolder } from '../support/running-server.ts'
import { TLS_FILES } from '../support/transports.ts'

type Options = Partial<Parameters<typeof managesieve>[0]>

async function createSieveKernel(t: TestContext, options: Options = {}, sort: Parameters<typeof mailsort>[0] = {}) {
  const password = await hashPassword('secret')
  const kernel = await createMailKernel(t, {
    people: ['ann', 'bob'].map((name) => ({ name, addresses: [`${name}@here.test`], password })),
    plugins: [mailsort(sort)],
    channels: { sieve: managesieve({ listen: '127.0.0.1:0', authWithoutTls: true, ...options }) },
  })
  const { port } = kernel.listener('sieve')
  return {
    ...kernel,
    port,
    async play(transcript: string) {
      const client = await connectLineClient(t, port, { timeout: 10_000 })
      await playTranscript(client, transcript)
    },
  }
}

const GREETING = `S: "IMPLEMENTATION" "IEMS"
S: "SASL" "*PLAIN*"
S: "SIEVE" "*fileinto*vacation*"
S: "NOTIFY" "mailto"
S: "EXTLISTS" "tag"
S: "MAXREDIRECTS" "5"
S: "UNAUTHENTICATE"
S: "VERSION" "1.0"
S: OK "ManageSieve is ready"
`
const LOGIN = `${GREETING}C: AUTHENTICATE "PLAIN" "AGFubgBzZWNyZXQ="
S: OK "Authentication completed"
`

test('commands of RFC 5804', async (t) => {
  const { play } = await createSieveKernel(t, {}, { limits: { scripts: 3 } })
  await play(
    `${GREETING}
C: LISTSCRIPTS
S: NO "Authenticate first"
C: NOOP "STARTTLS-SYNC-42"
S: OK (TAG "STARTTLS-SYNC-42") "NOOP completed"
C: Authenticate "DIGEST-MD5"
S: NO "Unknown authentication mechanism"
C: AUTHENTICATE "PLAIN" "AGFubgB3cm9uZw=="
S: NO "Authentication failed"
C: AUTHENTICATE "PLAIN"
S: ""
C: "*"
S: NO "Authentication failed"
C: AUTHENTICATE "PLAIN" {16+}
C: AGFubgBzZWNyZXQ=
S: OK "Authentication completed"
C: AUTHENTICATE "PLAIN" "AGFubgBzZWNyZXQ="
S: NO "Already authenticated"
C: CAPABILITY
S: "IMPLEMENTATION" "IEMS"
S: "SASL" "*"
S: "SIEVE" "*"
S: "NOTIFY" "mailto"
S: "EXTLISTS" "tag"
S: "MAXREDIRECTS" "5"
S: "OWNER" "ann"
S: "UNAUTHENTICATE"
S: "VERSION" "1.0"
S: OK "ManageSieve is ready"
C: HAVESPACE "myscript" 999999
S: NO (QUOTA/MAXSIZE) "A script has at most 131072 octets"
C: HAVESPACE "foobar" 435
S: OK "Havespace completed"
C: Putscript "foo" {31+}
C: #comment
C: InvalidSieveCommand
C: 
S: NO "line 3, column 1: expected ';' or '{' behind invalidsievecommand (end it with ';')"
C: PUTSCRIPT "mysievescript" {110+}
C: require ["fileinto"];
C: 
C: if envelope :contains "to" "tmartin+sent" {
C:   fileinto "INBOX.sent";
C: }
C: keep; keep; 
S: NO "line 3, column 4: envelope needs the extension \\"envelope\\" (add require \\"envelope\\"; at the top)"
`,
  )
})

test('scripts are put, read, activated, renamed and deleted', async (t) => {
  const { play } = await createSieveKernel(t, {}, { limits: { scripts: 3 } })
  await play(`${LOGIN}
C: PUTSCRIPT "summer_script" "keep;"
S: OK "Putscript completed"
C: PUTSCRIPT "a"
S: NO "PUTSCRIPT takes string and string"
C: PUTSCRIPT "vacä" {41+}
C: require "fileinto";
C: fileinto "Nowhere";
S: OK (WARNINGS) "line 2, column 1: there is no mailbox \\"Nowhere\\", messages stay in INBOX until there is"
C: SETACTIVE "summer_script"
S: OK "Setactive completed"
C: LISTSCRIPTS
S: "summer_script" ACTIVE
S: "vac*"
S: OK "Listscripts completed"
C: GETSCRIPT "summer_script"
S: {5}
S: keep;
S: OK "Getscript completed"
C: GETSCRIPT "none"
S: NO (NONEXISTENT) "There is no script by that name"
C: DELETESCRIPT "summer_script"
S: NO (ACTIVE) "The active script cannot be deleted"
C: RENAMESCRIPT "summer_script" "vacä"
S: NO (ALREADYEXISTS) "There is a script by that name"
C: RENAMESCRIPT "summer_script" "autumn"
S: OK "Renamescript completed"
C: SETACTIVE "summer_script"
S: NO (NONEXISTENT) "There is no script by that name"
C: LISTSCRIPTS
S: "autumn" ACTIVE
S: "vac*"
S: OK "Listscripts completed"
C: SETACTIVE ""
S: OK "Setactive completed"
C: DELETESCRIPT "autumn"
S: OK "Deletescript completed"
C: CHECKSCRIPT "keep;"
S: OK "Script is valid"
C: CHECKSCRIPT "keep"
S: NO "line 1, column 5: *"
C: UNAUTHENTICATE
S: OK "Unauthenticate completed"
C: LISTSCRIPTS
S: NO "Authenticate first"
C: AUTHENTICATE "PLAIN" "AGJvYgBzZWNyZXQ="
S: OK "Authentication completed"
C: LISTSCRIPTS
S: OK "Listscripts completed"
C: LOGOUT
S: OK "Logout completed"
END
`)
})

test('TLS comes before passwords', async (t) => {
  const tls = TLS_FILES
  const { play } = await createSieveKernel(t, { authWithoutTls: false, tls })
  await play(`S: "IMPLEMENTATION" "IEMS"
S: "SASL" ""
S: "SIEVE" "*"
S: "STARTTLS"
S: "NOTIFY" "mailto"
S: "EXTLISTS" "tag"
S: "MAXREDIRECTS" "5"
S: "UNAUTHENTICATE"
S: "VERSION" "1.0"
S: OK "ManageSieve is ready"
C: AUTHENTICATE "PLAIN" "AGFubgBzZWNyZXQ="
S: NO (ENCRYPT-NEEDED) "TLS is required"
C: STARTTLS
S: OK "Begin TLS negotiation now"
TLS
${LOGIN}C: STARTTLS
S: NO "Already authenticated"
`)
})

test('what is no command is refused, and the session ends at its limits', async (t) => {
  const { play } = await createSieveKernel(t, { limits: { errors: 6, literalSize: '1 KiB', lineLength: '1 KiB' } })
  await play(`${GREETING}
C: 
S: NO "The command is not understood"
C: "NOOP"
S: NO "The command is not understood"
C: NOOP "a" "b"
S: NO "NOOP takes [string]"
C: NOOP "a
S: NO "The command is not understood"
C: NOOP "\\xff"
S: NO "The command is not understood"
C: HAVESPACE "a"
S: NO "Authenticate first"
C: FROBNICATE
S: NO "Unknown command"
S: BYE "Too many errors"
END
`)
  await play(`${LOGIN}C: PUTSCRIPT "a" {1025+}
S: BYE "The literal is too large"
END
`)
  await play(`${GREETING}C: NOOP "${'x'.repeat(1100)}"
S: BYE "The line is too long"
END
`)
})

test('words and strings', () => {
  assert.deepEqual(readWords('PUTSCRIPT "a \\"b\\\\" 12 '), [
    { kind: 'atom', text: 'PUTSCRIPT' },
    { kind: 'string', text: 'a "b\\' },
    { kind: 'number', number: 12 },
  ])
  for (const line of ['"', '"a"b', 'a"b"', '(x)', '"a\\nb"', 'a\u0000']) assert.equal(readWords(line), undefined, line)
  assert.equal(writeString('a"\\'), '"a\\"\\\\"')
  assert.equal(writeString('ä\r\n'), '{4}\r\nä\r\n')
})

test('sieve-connect uploads, lists, downloads and activates', {
  skip: missing('/usr/bin/sieve-connect'),
}, async (t) => {
  const { port } = await createSieveKernel(t)
  const folder = await tempFolder(t)
  const local = join(folder, 'rules.siv')
  const text = 'require "fileinto";\nif header :is "subject" "ä" { fileinto "Trash"; }\n'
  await writeFile(local, text)
  async function connect(...args: string[]): Promise<string> {
    const child = spawn('sieve-connect', [
      ...['--server', '127.0.0.1', '--port', String(port), '--user', 'ann', '--passwordfd', '0', '--clearchan'],
      ...['--authmech', 'PLAIN', '--nosslverify', ...args],
    ])
    child.stdin.end('secret\n')
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => (output += part))
    const [code] = await once(child, 'close')
    assert.equal(code, 0, output)
    return output
  }
  await connect('--localsieve', local, '--remotesieve', 'rules', '--upload')
  await connect('--remotesieve', 'rules', '--activate')
  assert.match(await connect('--list'), /"rules" ACTIVE/)
  const copy = join(folder, 'copy.siv')
  await connect('--remotesieve', 'rules', '--localsieve', copy, '--download')
  assert.equal((await readFile(copy, 'utf8')).replaceAll('\r\n', '\n').trim(), text.trim())
  await connect('--deactivate')
  await connect('--remotesieve', 'rules', '--delete')
})
