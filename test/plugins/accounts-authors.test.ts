/** Whom an authenticated client may name as the author of its message. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestKernel, deliveredTo } from '../../core/testing/index.ts'
import { accounts } from '../../plugins/directory/static/index.ts'

async function sender(t: Parameters<typeof createTestKernel>[0], options: { ownAuthor?: boolean } = {}) {
  const kernel = await createTestKernel(t, {
    deliver: deliveredTo,
    plugins: [
      accounts({
        domains: ['here.test'],
        channel: 'out',
        accounts: [
          { name: 'eve', addresses: ['eve@here.test'] },
          { name: 'ann', addresses: ['ann@here.test'] },
        ],
        ...options,
      }),
    ],
  })
  return async (header: string, { from = 'eve@here.test', isStranger = false } = {}) => {
    const session = kernel.session({
      protocol: 'ESMTPSA',
      ...(isStranger ? {} : { identity: { kind: 'identity', user: 'eve', account: 'eve', mayRelay: true } }),
    })
    assert.equal(await session.mail(from, {}), undefined)
    assert.equal(await session.rcpt({ address: 'ann@here.test' }), undefined)
    const content = (async function* () {
      yield Buffer.from(`${header}\r\n\r\nx\r\n`)
    })()
    const { code } = await session.data(content)
    session.close()
    return code
  }
}

test('every address in From and Sender must belong to the account, however it is written', async (t) => {
  const send = await sender(t)
  for (const header of [
    'From: eve@here.test',
    'From: "ann@here.test" <eve@here.test>',
    'From: Eve (ann@here.test) <EVE+tag@Here.Test>',
    'From: "eve" @ here . test',
    'From: (c) eve (d) @ (e) here.test',
    'From: "Eve, J. R." <eve@here.test>',
    'From: Eve J. R. <eve@here.test>',
    'Subject: no author',
    'From: eve@here.test\r\nReply-To: ann@here.test',
  ])
    assert.equal(await send(header), 250, header)
  for (const header of [
    'From: ann@here.test',
    'From: Ann <ann@here.test>',
    'From: eve@here.test, ann@here.test',
    'From: eve@here.test <ann@here.test>',
    'From: ann@here.test <eve@here.test>',
    'From: eve@here.test\r\nFrom: ann@here.test',
    'From: eve@here.test\r\nSender: root@here.test',
    'From: group: eve@here.test, ann@here.test;',
    'From: (c) ann (d) @ (e) here.test',
    'From: "ann"@here.test',
    'From: ann\r\n @here.test',
    'From: "\\" <eve@here.test>, \\"" <ann@here.test>',
    'From: ann@far.test',
    'From: "eve@here.test <ann@here.test>',
    'From: Eve (x <ann@here.test>',
    'From: Eve [ <ann@here.test>',
    'From: eve@here.test. <ann@here.test>',
    'From: J. ann@here.test',
    'From: "eve"ann@here.test',
    `From: ${'eve@here.test,'.repeat(2000)}`,
  ])
    assert.equal(await send(header), 550, header.slice(0, 60))
})

test('the null sender of an authenticated client is for reports', async (t) => {
  const send = await sender(t)
  assert.equal(await send('From: eve@here.test', { from: '' }), 550)
  const report =
    'From: eve@here.test\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b'
  assert.equal(await send(report, { from: '' }), 250)
  assert.equal(await send(report.replace('eve', 'ann'), { from: '' }), 550)
})

test('strangers and ownAuthor: false are not asked', async (t) => {
  assert.equal(await (await sender(t))('From: ann@here.test', { from: 'x@far.test', isStranger: true }), 250)
  assert.equal(await (await sender(t, { ownAuthor: false }))('From: ann@here.test'), 250)
})
