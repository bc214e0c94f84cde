/**
 * A page to sign in with an account, for readers of private archives, moderators and owners.
 *
 * Invariants: the form is sent to the server's own login, which sets the cookie; the browser goes on to a page of the
 * lists only.
 */
import * as z from 'zod'
import { Download, type HttpApi, html } from '../../web/http/api.ts'
import { page } from './layout.ts'

const SCRIPT = `const form = document.querySelector('form.login')
const problem = document.querySelector('#problem')
form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const fields = Object.fromEntries(new FormData(form))
  const to = fields.to
  delete fields.to
  if (fields.code === '') delete fields.code
  const answer = await fetch('/api/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(fields) }).catch(() => undefined)
  if (answer?.ok) return location.assign(to)
  const said = await answer?.json().catch(() => undefined)
  if (said?.needs === 'code') document.querySelector('#code-field').hidden = false
  problem.textContent = said?.detail ?? 'The server does not answer. Try again.'
  problem.hidden = false
})
`
const SCRIPT_AGE_S = 3600

export function addLoginPage(http: HttpApi): void {
  http.stream({
    method: 'GET',
    path: '/lists-login.js',
    who: 'anyone',
    summary: 'The script of the page to sign in',
    run: () => new Download({ type: 'text/javascript; charset=utf-8', maxAge: SCRIPT_AGE_S, open: () => script() }),
  })
  http.page({
    path: '/lists/login',
    who: 'anyone',
    summary: 'A page to sign in for mailing lists',
    query: z.object({
      to: z
        .string()
        .regex(/^\/lists(?:\/[\w%@.+/-]{0,400})?$/)
        .default('/lists'),
    }),
    run({ query }) {
      const body = html`<form class="form login" method="post" action="/api/login"><input type="hidden" name="to" value="${query.to}"><p class="note warn" id="problem" role="alert" hidden></p><div class="field"><label for="username">Address or name</label><input id="username" name="username" autocomplete="username" required></div><div class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required></div><div class="field" id="code-field" hidden><label for="code">Code of the second factor</label><input id="code" name="code" inputmode="numeric" autocomplete="one-time-code"></div><button class="btn main">Sign in</button><noscript><p class="note">Signing in needs script. Reading public archives, subscribing and changing options by a link do not.</p></noscript></form><script type="module" src="/lists-login.js"></script>`
      return page({ title: 'Sign in', isPrivate: true, body })
    },
  })
}

async function* script(): AsyncGenerator<Uint8Array> {
  yield Buffer.from(SCRIPT)
}
