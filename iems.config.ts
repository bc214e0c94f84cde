/**
 * The configuration that `npm start` runs: takes mail on unprivileged loopback ports and relays it to a next hop.
 * Copy it, change it, and see what is wrong with it by `npx iems check`; config/examples/ has others.
 */
import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'

export default defineConfig({
  hostname: 'iems.localhost',
  store: { path: 'data' },
  channels: {
    // Clients on this machine may send anywhere; nobody else can reach the port.
    mx: smtpIn({ listen: '127.0.0.1:2525' }, { trusts: ['127.0.0.0/8'] }),
    // Everything goes to one next hop. Take `nexthop` away and mail goes to the MX of each domain.
    relay: smtpOut({ nexthop: '127.0.0.1:2526', tls: 'opportunistic' }),
  },
})
