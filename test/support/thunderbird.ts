/**
 * A real Thunderbird without a window, on a profile of its own, driven by Marionette with the program's own rights. Names
 * of the test resolve to loopback and standard ports lead to free ones, so that it meets the settings of a production server.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Scope, startProgram } from 'iems/testing'
import { freePort } from './running-server.ts'

export interface ThunderbirdOptions {
  readonly folder: string
  /** Host names that resolve to 127.0.0.1. */
  readonly names: readonly string[]
  /** Ports by the standard port that leads to them. */
  readonly ports: Readonly<Record<number, number>>
}

export interface Thunderbird {
  /**
   * Runs the body of an asynchronous function in the program, which may use `args`, `Services`, `ChromeUtils`, `Ci`,
   * `Cc`, and an object `kept` from one call to the next. Returns its value.
   */
  run(body: string, ...args: unknown[]): Promise<unknown>
}

export async function startThunderbird(t: Scope, options: ThunderbirdOptions): Promise<Thunderbird> {
  const port = await freePort()
  const profile = join(options.folder, 'profile')
  await mkdir(profile)
  const prefs = {
    'marionette.port': port,
    'network.dns.localDomains': options.names.join(','),
    'network.socket.forcePort': Object.entries(options.ports)
      .map(([from, to]) => `${from}=${to}`)
      .join(';'),
    // Nothing leaves the machine.
    'mailnews.auto_config_url': '',
    'app.update.enabled': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'extensions.update.enabled': false,
    'mail.provider.suppress_dialog_on_startup': true,
    'mail.spotlight.firstRunDone': true,
    'mailnews.start_page.enabled': false,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false,
    'services.settings.server': 'data:,',
  }
  await writeFile(
    join(profile, 'user.js'),
    Object.entries(prefs)
      .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
      .join(''),
  )
  await startProgram(
    t,
    'thunderbird',
    ['--headless', '--no-remote', '--marionette', '--remote-allow-system-access', '--profile', profile],
    { ready: { ports: [port] }, env: { ...process.env, HOME: options.folder, MOZ_CRASHREPORTER_DISABLE: '1' } },
  )
  const socket = connect(port, '127.0.0.1')
  t.after(() => void socket.destroy())
  const marionette = new Marionette(socket)
  await marionette.greeting()
  await marionette.send('WebDriver:NewSession', { capabilities: { alwaysMatch: { acceptInsecureCerts: false } } })
  await marionette.send('WebDriver:SetTimeouts', { script: 120_000 })
  await marionette.send('Marionette:SetContext', { value: 'chrome' })
  return {
    run: async (body, ...args) => {
      const script = `const [done, args] = [arguments[arguments.length - 1], [...arguments].slice(0, -1)]
        const kept = (window.keptByTest ??= {});
        (async () => { ${body} })().then(value => done({ value }), error => done({ error: String(error) + ' ' + error?.stack }))`
      const sent = await marionette.send('WebDriver:ExecuteAsyncScript', { script, args })
      const { value } = sent as { readonly value?: { readonly error?: string; readonly value?: unknown } }
      if (value?.error !== undefined) throw new Error(value.error)
      return value?.value
    },
  }
}

/** Messages `LENGTH:[type, id, name or error, value]`. */
class Marionette {
  readonly #socket: Socket
  #rest = Buffer.alloc(0)
  #last = 0

  constructor(socket: Socket) {
    this.#socket = socket
  }

  greeting(): Promise<unknown> {
    return this.#message()
  }

  async send(name: string, parameters: object): Promise<unknown> {
    const text = JSON.stringify([0, ++this.#last, name, parameters])
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`)
    const [, , error, value] = (await this.#message()) as [number, number, { message: string } | null, unknown]
    if (error) throw new Error(`${name}: ${JSON.stringify(error)}`)
    return value
  }

  async #message(): Promise<unknown> {
    for (;;) {
      const colon = this.#rest.indexOf(':')
      const size = Number(this.#rest.subarray(0, Math.max(colon, 0)).toString())
      if (colon > 0 && this.#rest.length >= colon + 1 + size) {
        const text = this.#rest.subarray(colon + 1, colon + 1 + size).toString()
        this.#rest = this.#rest.subarray(colon + 1 + size)
        return JSON.parse(text)
      }
      const [chunk] = await once(this.#socket, 'data')
      this.#rest = Buffer.concat([this.#rest, chunk])
    }
  }
}
