/** A mail server whose accounts, groups, aliases and routes are kept in the store: `iems account add …` and so on. */
import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { imap } from 'iems/plugins/imap'
import { ldap } from 'iems/plugins/ldap'
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
    local: mailstore({}, { accepts: 'anyone' }),
    imap: imap({ listen: ':143', tls }),
    ldap: ldap({ listen: ':389', suffix: 'dc=example,dc=org', tls }),
    internet: smtpOut(),
  },
  plugins: [directory()],
})
