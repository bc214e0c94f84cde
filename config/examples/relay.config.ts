/** A relay in front of an internal mail server: takes mail for its domains from anyone, and everything from inside. */
import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'

const tls = { cert: '/etc/iems/tls.pem', key: '/etc/iems/tls.key' }

export default defineConfig({
  hostname: 'relay.example.org',
  store: { path: '/var/lib/iems' },
  channels: {
    mx: smtpIn({ listen: ':25', tls }, { trusts: ['10.0.0.0/8', 'fd00::/8'] }),
    // Strangers may send here, and only here.
    inside: smtpOut({ domains: ['example.org', '.example.org'], nexthop: '10.0.0.5:25' }, { accepts: 'anyone' }),
    internet: smtpOut(undefined, { retry: { first: '10 min', for: '3 days' } }),
  },
  reports: { postmaster: 'postmaster@example.org' },
})
