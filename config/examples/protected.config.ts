/**
 * A mail server for the world: accounts in the directory, strangers' mail verified, scored and scanned, our own signed.
 * Before the first start: `iems dkim add example.org`, and publish what it prints. After it: `iems account add admin
 * address=admin@example.org address=dmarc@example.org`, where mail for the postmaster and DMARC reports come.
 */
import { defineConfig, secret } from 'iems'
import { antispam } from 'iems/plugins/antispam'
import { antivirus } from 'iems/plugins/antivirus'
import { directory } from 'iems/plugins/directory'
import { dkim } from 'iems/plugins/dkim'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { senderAuth } from 'iems/plugins/sender-auth'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
import { srs } from 'iems/plugins/srs'

const tls = { cert: '/etc/iems/tls.pem', key: '/etc/iems/tls.key' }

export default defineConfig({
  hostname: 'mail.example.org',
  store: { path: '/var/lib/iems' },
  reports: { postmaster: 'admin@example.org' },
  channels: {
    mx: smtpIn({ listen: ':25', tls }),
    submission: smtpIn({ listen: [':587'], tls, auth: 'required' }),
    imap: imap({ listen: ':143', tls }),
    local: mailstore({}, { accepts: 'anyone' }),
    internet: smtpOut(),
  },
  plugins: [
    directory(),
    senderAuth({ reports: { from: 'dmarc@example.org', receiveAt: ['dmarc@example.org'] } }),
    antispam({
      thresholds: { tag: 4, junk: 6, refuse: 15 },
      // No list is asked unless you name it: read its terms first.
      lists: [{ zone: 'zen.spamhaus.org', returns: { '127.0.0.2-4': 6, '127.0.0.9': 8 } }],
      greylist: { for: 'suspects' },
      limits: { rules: [{ per: 'account', recipients: '1000/day' }] },
    }),
    antivirus({ servers: ['unix:/run/clamav/clamd.ctl'] }),
    dkim(),
    // Forwarded mail leaves from srs.example.org, whose MX is this server.
    srs({ domain: 'srs.example.org', domains: ['example.org'], secrets: [secret.env('IEMS_SRS_SECRET')] }),
  ],
})
