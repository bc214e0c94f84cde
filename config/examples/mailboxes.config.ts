/** A mail server for a domain with a few accounts: takes mail for them, keeps it for IMAP, and sends theirs to the world. */
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'

const tls = { cert: '/etc/iems/tls.pem', key: '/etc/iems/tls.key' }

export default defineConfig({
  hostname: 'mail.example.org',
  store: { path: '/var/lib/iems' },
  channels: {
    mx: smtpIn({ listen: ':25', tls }),
    submission: smtpIn({ listen: ':587', tls, auth: 'required' }),
    local: mailstore({ retention: [{ mailbox: 'Trash', after: '30 days' }] }, { accepts: 'anyone' }),
    imap: imap({ listen: ':143', tls }),
    imaps: imap({ listen: ':993', tls: { ...tls, mode: 'implicit' } }),
    internet: smtpOut(),
  },
  plugins: [
    accounts({
      domains: ['example.org'],
      accounts: [
        {
          name: 'ann',
          addresses: ['ann@example.org', 'postmaster@example.org'],
          // iems password hash
          password: '$argon2id$v=19$m=19456,t=2,p=1$bm90IGEgcmVhbCBzYWx0$bm90IGEgcmVhbCBoYXNoLCBub3QgYSByZWFsIGhhc2g',
          quota: '5 GB',
        },
      ],
    }),
  ],
})
