/** Zones signed with DNSSEC, served by Debian's bind9 and validated by Debian's unbound, all on the loopback interface. */
import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { runProgram } from 'iems/testing'
import { SOA, startNamed } from './bind9.ts'
import { freePort, tempFolder } from './running-server.ts'

export interface SignedZone {
  /** Lines of a zone file after SOA and NS. */
  readonly records: readonly string[]
  /** `none`: unsigned. `expired`: its signatures have ended. `bogus`: a record was changed after signing. */
  readonly fault?: 'none' | 'expired' | 'bogus'
}

export interface Resolver {
  /** `127.0.0.1:5353`. */
  readonly address: string
}

export async function startValidating(
  t: Pick<TestContext, 'after'>,
  zones: Readonly<Record<string, SignedZone>>,
): Promise<Resolver> {
  const folder = await tempFolder(t)
  const anchors: string[] = []
  const texts: Record<string, string> = {}
  for (const [name, { records, fault }] of Object.entries(zones)) {
    const file = join(folder, name)
    const plain = `$TTL 60\n${SOA}${records.join('\n')}\n`
    await writeFile(file, plain)
    texts[name] = plain
    if (fault === 'none') continue
    await run('dnssec-keygen', ['-a', 'ECDSAP256SHA256', '-f', 'KSK', '-K', folder, name])
    const key = (await readdir(folder)).find((one) => one.startsWith(`K${name}.`) && one.endsWith('.key')) ?? ''
    anchors.push(...(await readFile(join(folder, key), 'utf8')).split('\n').filter((line) => line.startsWith(name)))
    const dates = fault === 'expired' ? ['-s', '20200101000000', '-e', '20200201000000'] : []
    await run('dnssec-signzone', [
      '-S',
      '-z',
      ...dates,
      '-P',
      '-d',
      folder,
      '-K',
      folder,
      '-o',
      name,
      '-f',
      `${file}.signed`,
      file,
    ])
    const signed = await readFile(`${file}.signed`, 'utf8')
    texts[name] = fault === 'bogus' ? signed.replaceAll('127.0.0.66', '127.0.0.1') : signed
  }
  const named = await startNamed(t, texts)
  await writeFile(join(folder, 'anchors'), `${anchors.join('\n')}\n`)
  const port = await freePort()
  const stubs = Object.keys(zones).map(
    (name) => `stub-zone:\n  name: "${name}"\n  stub-addr: ${named.address.replace(':', '@')}\n`,
  )
  await writeFile(
    join(folder, 'unbound.conf'),
    `server:
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  verbosity: 1
  num-threads: 1
  qname-minimisation: no
  module-config: "validator iterator"
  trust-anchor-file: "${join(folder, 'anchors')}"
  local-zone: "test." nodefault
remote-control:
  control-enable: no
${stubs.join('')}`,
  )
  const child = spawn('unbound', ['-d', '-c', join(folder, 'unbound.conf')])
  t.after(() => child.kill('SIGKILL'))
  const ready = Promise.withResolvers<void>()
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
    if (said.includes('start of service')) ready.resolve()
  })
  child.once('exit', () => ready.reject(new Error(`unbound ended: ${said}`)))
  child.once('error', ready.reject)
  await ready.promise
  return { address: `127.0.0.1:${port}` }
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { code, out, err } = await runProgram(program, [...args])
  if (code !== 0) throw new Error(`${program}: ${out}${err}`)
}
