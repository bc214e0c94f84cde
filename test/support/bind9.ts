/** Debian's bind9 as the primary server of zones, on a port of the loopback interface. */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort, tempFolder } from './running-server.ts'

export interface NamedZone {
  /** Lines of a zone file after SOA and NS. */
  readonly records: readonly string[]
  /** Takes updates signed with the key. */
  readonly isDynamic?: boolean
}

export interface Named {
  /** `127.0.0.1:5353`. */
  readonly address: string
  readonly key: { readonly name: string; readonly secret: string }
  readonly lines: readonly string[]
}

export const SOA = '@ 60 IN SOA ns.invalid. root.invalid. 1 3600 600 86400 5\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n'

export async function startNamed(t: Pick<TestContext, 'after'>, zones: Readonly<Record<string, NamedZone | string>>) {
  const folder = await tempFolder(t)
  const [port, control] = [await freePort(), await freePort()]
  const key = { name: 'iems-test', secret: Buffer.from('a secret that only the test knows').toString('base64') }
  await mkdir(join(folder, 'zones'))
  const clauses: string[] = []
  for (const [name, zone] of Object.entries(zones)) {
    const file = join(folder, 'zones', name)
    // A text is a whole zone file, signed already.
    await writeFile(file, typeof zone === 'string' ? zone : `$TTL 60\n${SOA}${zone.records.join('\n')}\n`)
    const policy = typeof zone !== 'string' && zone.isDynamic ? `allow-update { key "${key.name}"; };` : ''
    clauses.push(`zone "${name}" { type primary; file "${file}"; ${policy} };`)
  }
  await writeFile(
    join(folder, 'named.conf'),
    `key "${key.name}" { algorithm hmac-sha256; secret "${key.secret}"; };
options { directory "${folder}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no;
  pid-file "${folder}/pid"; session-keyfile "${folder}/session"; dnssec-validation no; notify no; };
controls { inet 127.0.0.1 port ${control} allow { none; }; };
${clauses.join('\n')}\n`,
  )
  const child = spawn('named', ['-g', '-n', '1', '-c', join(folder, 'named.conf')])
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const ready = Promise.withResolvers<void>()
  child.stderr.on('data', (chunk: Buffer) => {
    lines.push(...String(chunk).split('\n'))
    if (lines.some((line) => / running$/.test(line))) ready.resolve()
  })
  child.once('exit', () => ready.reject(new Error(`named ended: ${lines.join('\n')}`)))
  child.once('error', ready.reject)
  await ready.promise
  return { address: `127.0.0.1:${port}`, key, lines } satisfies Named
}
