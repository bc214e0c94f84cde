/**
 * A post to many members, and a server that is killed while it sends: every member gets the post, and twice only where
 * a kill fell between the remote's 250 and this server's record. LIST_MEMBERS says how many there are (200; take 10000
 * for the long form), LIST_KILLS how often the server is killed (2).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectLineClient } from 'iems/testing'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'

const MEMBERS = Number(process.env.LIST_MEMBERS ?? 200)
const KILLS = Number(process.env.LIST_KILLS ?? 2)
const LIST = 'dev@lists.test'

const configText = (listen: number, nexthop: number) => `
import { defineConfig } from 'iems'
import { lists } from 'iems/plugins/lists'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${listen}' }),
    lists: lists({ batch: 50 }),
    relay: smtpOut({ nexthop: '127.0.0.1:${nexthop}', tls: 'off' }, { retry: { first: '1 s', max: '1 s' } }),
  },
})
`

for (const verpEvery of [1, 0])
  test(`${MEMBERS} members and ${KILLS} kills, ${verpEvery === 1 ? 'a return path for each member' : 'members together'}: each gets the post`, {
    // The long form waits for processes that start on a busy machine.
    timeout: MEMBERS > 1000 ? 3_600_000 : 110_000,
  }, async (t) => {
    const folder = await tempFolder(t)
    const port = await freePort()
    const sink = await startSink(t)
    let server = await startProcess(t, folder, configText(port, sink.port))
    const added = await server.iems(
      'list',
      'add',
      LIST,
      '--post',
      'anyone',
      '--dmarc',
      'none',
      '--explicit',
      'no',
      '--welcome',
      '',
      '--archive',
      'none',
      '--verp-every',
      String(verpEvery),
    )
    assert.equal(added.code, 0, added.err)
    const members = Array.from({ length: MEMBERS }, (_, at) => `m${at}@d${at % 20}.test`)
    const imported = await server.iemsWithInput(members.join('\n'), 'list', 'import', LIST)
    assert.equal(imported.code, 0, imported.err)
    const { accepted } = await post(port)
    assert.ok(accepted)
    /** Deliveries that had arrived when a kill fell. */
    const kills: number[] = []
    const arrived = () => sink.messages.flatMap(({ to }) => to.map((one) => /<(.*)>/.exec(one)?.[1] ?? one))
    for (let round = 1; round <= KILLS; round++) {
      const wanted = Math.floor((MEMBERS * round) / (KILLS + 1))
      while (arrived().length < wanted) await new Promise((resolve) => setImmediate(resolve))
      server.process.kill('SIGKILL')
      await server.ended()
      kills.push(sink.messages.length)
      server = await startProcess(t, folder)
    }
    for (let tries = 0; tries < 60 && new Set(arrived()).size < MEMBERS; tries++) {
      await server.iems('queue', 'retry', '--all')
    }
    const all = arrived()
    assert.equal(new Set(all).size, MEMBERS)
    // A member with two copies received one before a kill and one after it.
    const places = new Map<string, number[]>()
    for (const [index, { to }] of sink.messages.entries())
      for (const one of to) places.set(one, [...(places.get(one) ?? []), index])
    for (const [member, [first = 0, second, ...more]] of places) {
      if (second === undefined) continue
      assert.ok(
        kills.some((kill) => first < kill && kill <= second),
        `${member} twice without a kill in between`,
      )
      assert.ok(more.length < KILLS)
    }
    t.diagnostic(`${all.length - MEMBERS} of ${MEMBERS} repeated`)
  })

async function post(port: number): Promise<{ readonly accepted: boolean }> {
  const client = await connectLineClient({ after: () => {} }, port)
  const say = async (line: string) => {
    client.send(`${line}\r\n`)
    return (await client.line()) ?? ''
  }
  await client.line()
  await say('HELO client.test')
  await say('MAIL FROM:<x@far.test>')
  await say(`RCPT TO:<${LIST}>`)
  await say('DATA')
  const reply = await say(`From: x@far.test\r\nTo: ${LIST}\r\nSubject: s\r\nMessage-ID: <1@far.test>\r\n\r\nx\r\n.`)
  client.destroy()
  return { accepted: reply.startsWith('250') }
}
