/** A machine that sends everything through its provider: local clients only, a password for the provider. */
import { defineConfig, secret } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'

export default defineConfig({
  hostname: 'laptop.example.org',
  channels: {
    local: smtpIn({ listen: '127.0.0.1:2525' }, { trusts: ['127.0.0.0/8'] }),
    provider: smtpOut(
      {
        nexthop: 'smtp.provider.example:587',
        auth: { user: 'me', password: secret.file('/etc/iems/provider.secret') },
      },
      { rate: '100/min' },
    ),
  },
})
