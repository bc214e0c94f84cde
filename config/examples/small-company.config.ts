/** A mail server for a small company in ten lines. The long form of the same is in docs/presets.md. */
import { defineConfig } from 'iems'
import { mailServer } from 'iems/presets'

export default defineConfig(
  mailServer({
    domain: 'example.org',
    account: 'ann',
    store: { path: '/var/lib/iems' },
    tls: { cert: '/etc/iems/tls.pem', key: '/etc/iems/tls.key' },
  }),
)
