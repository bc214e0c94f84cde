/**
 * Filters outside of the server: real ones from Debian's packages, with rules of the test alone, and broken ones.
 */
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startProgram } from 'iems/testing'
import { freePort, tempFolder } from './running-server.ts'

/** Its score is 1000 wherever filters know it (in pieces, so that this file is no spam). */
export const GTUBE = ['XJS*C4JDBQADN1.NSBN3', '2IDNEN', 'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL', 'C.34X'].join('*')

export const RSPAMD = '/usr/bin/rspamd'
export const SPAMD = '/usr/sbin/spamd'
/** What it goes by: words in the subject, what it is told of the client, and a rule as if SPF were checked. */
const RULES = `
local function says(task, word)
  local subject = task:get_header('Subject')
  return subject and subject:find(word, 1, true) and true or false
end
for name, score in pairs({ junk = 7.5, grey = 4.5, good = -3 }) do
  rspamd_config['TEST_' .. name:upper()] = { callback = function(task) return says(task, 'test-' .. name) end, score = score }
end
rspamd_config.TEST_SOFT = { callback = function(task)
  if says(task, 'test-soft') then task:set_pre_result('soft reject', 'later') end
  return false
end, score = 0, priority = 10 }
rspamd_config.TEST_SPF = { callback = function(task) return says(task, 'test-spf') end, score = 1, group = 'spf' }
rspamd_config.TEST_TOLD = { callback = function(task)
  local from, to = task:get_from('smtp'), task:get_recipients('smtp')
  return tostring(task:get_from_ip()) == '192.0.2.1' and from and from[1].addr == 'ann@a.test' and to and #to == 2
    and to[2].addr == 'eve@here.test' and task:get_helo() == 'mail.a.test' and #task:get_queue_id() == 26
    and not task:get_user() and true or false
end, score = 0.25 }
`

/** With a name server it is a strict receiver: SPF, DKIM and DMARC, and p=reject is a reject. */
export async function startRspamd(t: Pick<TestContext, 'after'>, dns?: string) {
  const folder = await tempFolder(t)
  const port = await freePort()
  await writeFile(join(folder, 'rules.lua'), RULES)
  await writeFile(join(folder, 'tlds'), 'test\n')
  const config = join(folder, 'rspamd.conf')
  await writeFile(
    config,
    `options {
  pidfile = "${folder}/pid"; control_socket = "${folder}/control mode=0600"; cache_file = "${folder}/symbols";
  hs_cache_dir = "${folder}"; tempdir = "${folder}"; url_tld = "${folder}/tlds"; disable_hyperscan = true; filters = "${dns ? 'dkim' : ''}";
  dns { nameserver = ["${dns ?? '127.0.0.1:1'}"]; timeout = ${dns ? 2 : 0.1}s; retransmits = 1; }
}
logging { type = "console"; level = "info"; }
metric { name = "default"; actions { reject = 15; "add header" = 6; greylist = 4; } }
group "spf" { symbols { "TEST_SPF" { score = 1; } } }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
modules { path = "/usr/share/rspamd/plugins/settings.lua";${dns ? ' path = "/usr/share/rspamd/plugins/spf.lua"; path = "/usr/share/rspamd/plugins/dmarc.lua";' : ''} }
settings { }${dns ? '\ndkim { }\nspf { }\ndmarc { actions = { reject = "reject"; quarantine = "add_header"; } }' : ''}
lua = "${folder}/rules.lua";
`,
  )
  const { stop } = await startProgram(t, RSPAMD, ['-i', '-f', '-c', config], { ready: /starting normal process/ })
  return { server: `127.0.0.1:${port}`, stop }
}

export async function startSpamd(t: Pick<TestContext, 'after'>) {
  const folder = await tempFolder(t)
  const port = await freePort()
  // As root it becomes nobody, who must be able to read.
  await chmod(folder, 0o755)
  const pattern = GTUBE.replace(/[*.]/g, '\\$&')
  const rules = [
    'util_rb_tld test',
    `body GTUBE /${pattern}/`,
    'score GTUBE 1000',
    'header TEST_JUNK Subject =~ /test-junk/',
    'score TEST_JUNK 5.5',
    'header TEST_GOOD Subject =~ /test-good/',
    'score TEST_GOOD -2',
    // As SpamAssassin's own RDNS_NONE has it.
    'header TEST_RDNS_NONE X-Spam-Relays-External =~ /^[^\\]]+ rdns= /',
    'score TEST_RDNS_NONE 0.01',
    'required_score 5',
  ]
  await writeFile(join(folder, 'test.cf'), `${rules.join('\n')}\n`)
  await writeFile(join(folder, 'v320.pre'), 'loadplugin Mail::SpamAssassin::Plugin::Check\n')
  const options = ['-L', '-x', '-m', '1', '-i', '127.0.0.1', '-p', `${port}`, '-s', 'stderr']
  const paths = ['-C', folder, `--siteconfigpath=${folder}`]
  const { stop } = await startProgram(t, SPAMD, [...options, ...paths], { ready: /server started on/ })
  return { server: `127.0.0.1:${port}`, stop }
}

/** A server on a free port that does as it is told with each connection. */
export async function startBroken(t: Pick<TestContext, 'after'>, serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as { port: number }
  return {
    server: `127.0.0.1:${port}`,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
  }
}
