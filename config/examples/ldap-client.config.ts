/** A mail server for the people of an Active Directory or OpenLDAP: they log in and get mail as they are known there. */
import { defineConfig, secret } from 'iems'
import { imap } from 'iems/plugins/imap'
import { ldapClient } from 'iems/plugins/ldap-client'
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
    internet: smtpOut(),
  },
  plugins: [
    ldapClient({
      servers: ['ldap://dc1.example.org', 'ldap://dc2.example.org'],
      kind: 'active-directory',
      base: 'dc=example,dc=org',
      bindDn: 'cn=mail,ou=services,dc=example,dc=org',
      password: secret.file('/etc/iems/ldap-password'),
      domains: ['example.org'],
    }),
  ],
})
