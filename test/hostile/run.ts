/**
 * `npm run hostile`: attacks a started server, one after the other, while another client measures what it waits.
 *
 * Reports latencies and memory, asserts only that the server is served and alive to the end.
 *   npm run hostile -- --only BDAT,LIST      those whose names contain one of these
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { startProcess, tempFolder } from '../support/running-server.ts'
import { ATTACKS } from './attacks.ts'
import { startProbe } from './probe.ts'

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const undo: (() => unknown)[] = []
const scope = { after: (call: () => unknown) => void undo.push(call) } as Parameters<typeof tempFolder>[0]

const folder = await tempFolder(scope)
const password = await hashPassword('secret')
const people = ['ann', 'bob', 'eve'].map((name) => ({ name, addresses: [`${name}@here.test`], password }))
const server = await startProcess(
  scope,
  folder,
  `import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { antispam } from 'iems/plugins/antispam'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mail.here.test',
  store: { path: '${folder}/data' },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }),
    imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [accounts({ domains: ['here.test'], accounts: ${JSON.stringify(people)} }), antispam()],
})
`,
)
const started = JSON.parse(await server.line(/"event":"server\.started"/)) as Record<string, readonly string[]>
const portOf = (name: string) => {
  const found = Object.values(started)
    .flat()
    .map(String)
    .find((text) => text.startsWith(name)) // prettier-ignore
  return Number(/:(\d+)$/.exec(found ?? '')?.[1])
}
const target = { smtp: portOf('SMTP'), imap: portOf('IMAP') }
const memory = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.process.pid}/status`, 'utf8'))?.[1]) / 1024

console.log(`resident ${memory().toFixed(0)} MB at rest\n`)
console.log('attack                                         seconds  probes  median ms  worst ms  not served  MB')
let isServed = true
for (const attack of ATTACKS) {
  if (values.only && !values.only.split(',').some((text) => attack.name.includes(text))) continue
  const probe = startProbe(target)
  const since = performance.now()
  await attack.run(target)
  // What was accepted is indexed a moment later: that is part of the attack.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const { count, median, worst, failed } = await probe.stop()
  const cells = [
    ((performance.now() - since) / 1000).toFixed(1).padStart(9),
    String(count).padStart(7),
    median.toFixed(0).padStart(10),
    worst.toFixed(0).padStart(9),
    String(failed).padStart(11),
    memory().toFixed(0).padStart(4),
  ] // prettier-ignore
  console.log(`${attack.name.padEnd(45)} ${cells.join(' ')}`)
  isServed &&= count > 0 && server.process.exitCode === null
}
for (const call of undo.reverse()) await call()
console.log(isServed ? '\nserved throughout' : '\nNOT SERVED')
process.exit(isServed ? 0 : 1)
