/** Debian's pebble: a certificate authority for tests of ACME, on the loopback interface. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { selfSigned } from 'iems'
import { freePort, tempFolder } from './running-server.ts'

export interface Pebble {
  readonly directory: string
  /** File with the certificate of its HTTPS server. */
  readonly ca: string
  /** The ports at which it validates http-01 and tls-alpn-01. */
  readonly httpPort: number
  readonly tlsPort: number
  /** The certificate of the root that it issues from, PEM. */
  root(): Promise<string>
  /** Every line it has logged. */
  readonly lines: readonly string[]
}

export async function startPebble(
  t: Pick<TestContext, 'after'>,
  { dns, httpPort, tlsPort }: { readonly dns: string; readonly httpPort?: number; readonly tlsPort?: number },
): Promise<Pebble> {
  const folder = await tempFolder(t)
  const { cert, key } = selfSigned(['localhost'])
  const ca = join(folder, 'cert.pem')
  await writeFile(ca, cert)
  await writeFile(join(folder, 'key.pem'), key)
  const [port, management] = [await freePort(), await freePort()]
  const ports = { httpPort: httpPort ?? (await freePort()), tlsPort: tlsPort ?? (await freePort()) }
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: ca,
    privateKey: join(folder, 'key.pem'),
    ...ports,
    externalAccountBindingRequired: false,
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify({ pebble }))
  const child = spawn('pebble', ['-config', join(folder, 'config.json'), '-dnsserver', dns, '-strict'], {
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0' },
  })
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const ready = Promise.withResolvers<void>()
  const read = (chunk: Buffer) => {
    lines.push(...String(chunk).split('\n'))
    if (lines.some((line) => line.includes('ACME directory available'))) ready.resolve()
  }
  child.stdout.on('data', read)
  child.stderr.on('data', read)
  child.once('exit', () => ready.reject(new Error(`pebble ended: ${lines.join('\n')}`)))
  child.once('error', ready.reject)
  await ready.promise
  return {
    directory: `https://localhost:${port}/dir`,
    ca,
    ...ports,
    lines,
    root: () => get(`https://localhost:${management}/roots/0`, cert),
  }
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { ca }, async (response) => resolve(Buffer.concat(await response.toArray()).toString()))
      .on('error', reject)
      .end()
  })
}
